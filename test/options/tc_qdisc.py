# Asks this machine's kernel what it answers to requests of tc about qdiscs (state x request), and writes tc_qdisc.json:
# [state, request, what was said, 'kind handle parent refcnt limit-or-rate; ...' afterwards]. Root, tc and unshare needed.
import json
import os
import subprocess

TBF = 'tbf rate 80kbit burst 1600 limit 10000'
OTHER_TBF = 'tbf rate 160kbit burst 3200 limit 20000'
STATES = {
    'none': [],
    'pfifo1': ['add dev t0 root handle 1: pfifo limit 5'],
    'tbf1': [f'add dev t0 root handle 1: {TBF}'],
    'tbf1+pfifo2': [f'add dev t0 root handle 1: {TBF}', 'add dev t0 parent 1:1 handle 2: pfifo limit 7'],
}
PLACES = ['root', 'root handle 1:', 'root handle 2:', 'parent 1:1', 'parent 1:1 handle 2:', 'parent 1:1 handle 3:',
          'parent 9:1', 'handle 1:']
GOING = ['root', 'root handle 1:', 'root handle 2:', 'parent 1:1', 'parent 1:1 handle 2:', 'parent 1:5', 'parent 9:1',
         'handle 1:', 'root pfifo']


def ask(setup, request):
    script = 'ip tuntap add t0 mode tap; ip link set t0 up\n'
    script += ''.join(f'tc qdisc {c}\n' for c in setup)
    script += f"tc qdisc {request} 2>&1\necho '##'; tc -s -j qdisc show dev t0"
    out = subprocess.run(['unshare', '-n', 'sh', '-c', script], capture_output=True, text=True).stdout
    said, shown = out.split('##')
    rows = []
    for q in json.loads(shown):
        handle = 'auto' if q['handle'].startswith('8') else q['handle']
        what = q['options'].get('limit', q['options'].get('rate', ''))
        rows.append(f"{q['kind']} {handle} {q.get('parent', 'root')} {q.get('refcnt', 1)} {what}".strip())
    return said.strip().replace('Error: ', ''), '; '.join(rows)


requests = [f'{verb} dev t0 {place} {kind}' for verb in ('add', 'replace', 'change', 'link') for place in PLACES
            for kind in ('pfifo limit 9', OTHER_TBF)] + [f'del dev t0 {place}' for place in GOING]
rows = [[state, request.replace('dev t0 ', ''), *ask(setup, request)] for state, setup in STATES.items() for request in requests]
with open(os.path.join(os.path.dirname(__file__), 'tc_qdisc.json'), 'w') as out:
    out.write('[\n' + ',\n'.join(json.dumps(row) for row in rows) + '\n]\n')
