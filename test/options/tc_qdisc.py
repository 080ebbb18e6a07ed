# Asks this machine's kernel what it answers to requests of tc about qdiscs. Root, tc and unshare needed. It writes
# tc_qdisc.json: [state, request, what was said, 'kind handle parent refcnt limit-or-rate; ...' afterwards], and
# tc_show.json: [words of a qdisc, what was said, its options as `tc -j` shows them].
import json
import os
import re
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

WORDS = [
    'tbf rate 80kbit burst 1600 limit 10000',
    'tbf rate 1mbit burst 10kb latency 50ms',
    'tbf rate 1mbit burst 10kb latency 50ms peakrate 2mbit mtu 1540',
    'tbf rate 1kbps burst 2kbit limit 3k',
    'tbf rate 1.5mbit burst 5000 limit 10kb',
    'tbf rate 8KiBit burst 1540b limit 1mb',
    'tbf rate 1gibps burst 32kb limit 1m',
    'tbf rate 100 burst 1600 limit 1600',
    'tbf rate 80kbit burst 1600 limit 10000 overhead 24',
    'tbf rate 80kbit burst 1600 limit 10000 latency 5ms',
    'tbf rate 80kbit burst 1600 limit abc',
    'tbf rate 80kxx burst 1600 limit 5',
    'tbf rate 80kbit burst 0 limit 5',
    'tbf rate 80kbit burst 1600 limit 0',
    'tbf rate 1mbit burst 1600 limit 5000 peakrate 500kbit mtu 1540',
    'tbf rate 1mbit burst 1600 limit 5000 peakrate 2mbit',
    'tbf rate 10gbit burst 1mb limit 10mb',
    'tbf rate 40gbit burst 1mb limit 10mb',
    'tbf rate 7777777 burst 5001 limit 12345',
    'pfifo limit 7',
    'pfifo limit 0x10',
    'pfifo limit 7p',
    'pfifo limit -1',
    'bfifo limit 10k',
    'bfifo limit 10kb',
    'bfifo limit 1.5k',
    'bfifo limit 10kbit',
    'pfifo',
    'bfifo',
    'pfifo limit 0',
    'bfifo limit 100',
    'foo',
    'noop',
    'noqueue',
    'pfifo_fast',
    'pfifo bogus 3',
    'mq',
    'tbf rate 1mbit minburst 1540 burst 5000 limit 5000',
    'tbf rate 80kbit buffer 1600 limit 10000',
    'tbf rate 80kbit maxburst 1600 limit 10000',
    'pfifo_fast limit 3',
    'tbf burst 1600 limit 10',
    'tbf rate 1mbit burst 5000 limit 5gb',
    'tbf rate 1mbit burst 5000 latency 1s',
    'tbf rate 2mbit burst 3000 limit 3000',
    'bfifo limit 1gb',
    'bfifo limit 1b',
]


def show(words):
    script = f"ip tuntap add t0 mode tap; ip link set t0 up\ntc qdisc add dev t0 root handle 1: {words} 2>&1; echo '##'; tc -s -j -d qdisc show dev t0"
    out = subprocess.run(['unshare', '-n', 'sh', '-c', script], capture_output=True, text=True).stdout
    said, shown = out.split('##')
    options = json.loads(shown)[0]['options']
    options.pop('mpu', None)
    for name in ('burst', 'mtu'):
        if isinstance(options.get(name), str):
            number, unit = re.match(r'(\d+)(K|M)?b/1', options[name]).groups()
            options[name] = int(number) * {'K': 1024, 'M': 1 << 20, None: 1}[unit]
    said = said.strip().split('\n')[0].replace('Error: ', '')
    return [words, said, None if said else options]


with open(os.path.join(os.path.dirname(__file__), 'tc_show.json'), 'w') as out:
    out.write('[\n' + ',\n'.join(json.dumps(show(words)) for words in WORDS) + '\n]\n')
