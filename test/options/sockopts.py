#!/usr/bin/env python3
"""Asks the running kernel what each socket option answers to each value: the table that the tests of options replay.

Run as root on Linux: unshare -n python3 sockopts.py KIND... > sockopts.json
Every probe has a socket of its own; what a setsockopt changes is the difference of all options read before and after.
"""
import ctypes, fcntl, json, os, socket, struct, subprocess, sys

libc = ctypes.CDLL(None, use_errno=True)
LEVELS = (0, 1, 17)
ROOM = 64
# Numbers that differ from run to run (cookies).
VOLATILE = {(1, 57), (1, 71)}
# Filters (they point elsewhere), iptables, arptables, ebtables, conntrack; rings and fanout of packet sockets.
OUT = {(1, n) for n in (26, 27, 44, 50, 51, 52, 68)} | {(263, n) for n in (5, 13, 18)} | {(0, n) for n in (*range(64, 69), 80, 83, *range(96, 100), 128, 129, 130)}

INTS = [-1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 15, 16, 26, 31, 32, 63, 64, 65, 100, 127, 128, 200, 254, 255, 256, 257, 511, 1000,
        1500, 2303, 2304, 2305, 4095, 4096, 4608, 4609, 32768, 65534, 65535, 65536, 106496, 212991, 212992, 212993, 1 << 20,
        4194304, 8388607, 8388608, 1 << 24, 1 << 25, 1 << 30, (1 << 30) + 1, (1 << 31) - 1, -(1 << 31), -2, -255, -256, -65536,
        0x0100007f, 0x0100000a, 0x0200000a, 0x010101ef, 0x010000e0, 40000 | 50000 << 16, 50000 | 40000 << 16, 40000, 40000 << 16]
LENGTHS = [0, 1, 2, 3, 5, 8, 12, 16, 20, 40, 41, 64, 136, 264]
SHORT = [-1, 0, 1, 2, 5, 255]


def sin(address, port=0, family=2, size=128):
    return struct.pack('<H', family).ljust(2) + struct.pack('>H', port) + socket.inet_aton(address) + bytes(size - 8)


def probes():
    ip = socket.inet_aton
    out = [struct.pack('<I', n & 0xffffffff) for n in INTS]
    out += [(struct.pack('<i', n) + bytes(300))[:length] for length in LENGTHS for n in SHORT]
    out += [b'lo', b'eth0', b'nope', b'lo\0', b'eth0\0xyz', b'eth0' + bytes(12), b'e' * 15, b'e' * 16, b'eth0' + bytes(28)]
    out += [struct.pack('<ii', *pair) for pair in ((1, 5), (1, -1), (0, 7), (1, 1 << 30), (-1, 1), (2, 0), (9, 1), (11, 1), (1, 3), (11, 2), (11, 4), (0, 1), (3, 0))]
    out += [struct.pack('<qq', *pair) for pair in ((0, 1), (0, 999999), (0, 1000000), (0, -1), (1, 500000), (-1, 0), (-1, 5), (1 << 40, 1), (1 << 62, 0), (0, 3999), (0, 4001), (9223372036854775, 0), (36028797018963, 0))]
    out += [struct.pack('<Q', n) for n in (1, 1 << 32, (1 << 64) - 1, 5 << 33)]
    group, other, plain = ip('239.1.1.1'), ip('232.1.1.1'), ip('10.0.0.5')
    ours, none = ip('10.0.0.1'), ip('0.0.0.0')
    out += [group + ours, group + none, plain + ours, group + ip('10.9.9.9'), group + ours + struct.pack('<i', 2),
            group + none + struct.pack('<i', 1), group + none + struct.pack('<i', 99), none + ours, none + none + struct.pack('<i', 2),
            group + none + struct.pack('<i', 2) + bytes(4), group + ours + plain, other + ours + plain, group + plain + ours, plain + ours + plain,
            group + none + struct.pack('<i', -1), ip('224.0.0.1') + ours, ip('255.255.255.255') + ours]
    out += [group + ours + struct.pack('<II', mode, n) + sources for mode in (0, 1, 2) for n, sources in ((0, b''), (1, plain), (2, plain + ours), (2, plain), (99, b''))]
    out += [struct.pack('<II', index, 0) + sin(address, family=family) for index, address, family in
            ((2, '239.1.1.1', 2), (0, '239.1.1.1', 2), (9, '239.1.1.1', 2), (2, '10.0.0.5', 2), (2, '239.1.1.1', 10), (2, '239.1.1.1', 0))]
    out += [struct.pack('<II', index, 0) + sin('239.1.1.1', family=family) + sin(source, family=of) for index, source, family, of in
            ((2, '10.0.0.5', 2, 2), (0, '10.0.0.5', 2, 2), (9, '10.0.0.5', 2, 2), (2, '10.0.0.5', 10, 2), (2, '10.0.0.5', 2, 10))]
    out += [struct.pack('<II', 2, 0) + sin('239.1.1.1') + struct.pack('<II', mode, n) + b''.join(sin('10.0.0.%d' % (9 + i)) for i in range(have))
            for mode in (0, 1, 2) for n, have in ((0, 0), (1, 1), (2, 1), (99, 0))]
    out += [bytes.fromhex(text) for text in (
        '01', '0101', '010101', '01010101', '00', '00000001', '94040000', '94030000', '9404', '07070400000000', '0707050000000001', '070b04' + '00' * 9,
        '44080500' + '00' * 4, '440c0501' + '00' * 8, '44080503' + '0a000001', '440405', '8307040a000002', '8307080a00000200', '8907040a00000200', '830b040a0000020a00000301',
        '83', '8300', '8301', '82' + '0b' + '00' * 9, '86' + '0a' + '00' * 8, '8804000100', '88040001', '01' * 40, '01' * 41, '07' + '27' + '04' + '00' * 36 + '01', 'ff04abcd', 'ff03ab', 'ff00')]
    seen = []
    for p in out:
        if p not in seen:
            seen.append(p)
    return seen


def tap(name, address):
    fd = os.open('/dev/net/tun', os.O_RDWR)
    fcntl.ioctl(fd, 0x400454ca, struct.pack('16sH22x', name.encode(), 0x1002))
    for command in ('link set lo up', 'link set %s address 02:00:00:00:00:01 up' % name, 'addr add %s dev %s' % (address, name)):
        subprocess.run(['ip'] + command.split(), check=True)
    return fd


KINDS = {
    'udp': lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
    'raw': lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 253),
    'raw-icmp': lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1),
    'raw-raw': lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 255),
    'ping': lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 1),
    'packet': lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0),
}


def bound():
    s = KINDS['udp']()
    s.bind(('10.0.0.1', 7))
    return s


def connected():
    s = KINDS['udp']()
    s.bind(('0.0.0.0', 7))
    s.connect(('10.0.0.2', 9))
    return s


KINDS['udp-bound'] = bound
KINDS['udp-connected'] = connected


def get(fd, level, name, room, fill=b'\xee'):
    buffer = ctypes.create_string_buffer(fill * 300, 300)
    length = ctypes.c_int(room)
    if libc.getsockopt(fd, level, name, buffer, ctypes.byref(length)) < 0:
        return ctypes.get_errno()
    # Bytes beyond the answered length that were written all the same are no part of the contract.
    return buffer.raw[:max(0, min(length.value, 300))]


def put(fd, level, name, value):
    return 0 if libc.setsockopt(fd, level, name, value, len(value)) == 0 else ctypes.get_errno()


def snapshot(fd, readable):
    return [get(fd, level, name, ROOM) for level, name in readable]


def text(answer):
    return 'E%d' % answer if isinstance(answer, int) else answer.hex()


def ranges(numbers):
    out, numbers = [], sorted(numbers)
    i = 0
    while i < len(numbers):
        j = i
        while j + 1 < len(numbers) and numbers[j + 1] == numbers[j] + 1:
            j += 1
        out.append('%d' % numbers[i] if i == j else '%d-%d' % (numbers[i], numbers[j]))
        i = j + 1
    return ','.join(out)


ROOMS = [-1, 0, 1, 2, 3, 4, 5, 7, 8, 12, 15, 16, 17, 36, 40, 64, 144, 256]


def record(kind, levels, values):
    make = KINDS[kind]
    with make() as s:
        fd = s.fileno()
        readable = [(l, n) for l in levels for n in range(0, 131)
                    if (l, n) not in VOLATILE and (l, n) not in OUT and not isinstance(get(fd, l, n, ROOM), int)]
        reads = {}
        for level in levels:
            for name in range(0, 131):
                if (level, name) in OUT or (level, name) in VOLATILE:
                    continue
                by = {}
                for room in ROOMS:
                    by.setdefault(text(get(fd, level, name, room, b'\0')), []).append(room)
                reads['%d.%d' % (level, name)] = {answer: ','.join(map(str, rooms)) for answer, rooms in by.items()}
    with make() as s:
        before = snapshot(s.fileno(), readable)
    writes = {}
    for level in levels:
        for name in range(0, 131):
            if (level, name) in OUT:
                continue
            by = {}
            s = make()
            for i, value in enumerate(values):
                # A socket that has only refused so far is as new.
                err = put(s.fileno(), level, name, value)
                if err:
                    by.setdefault('E%d' % err, []).append(i)
                    continue
                after = snapshot(s.fileno(), readable)
                s.close()
                s = make()
                changed = ['%d.%d=%s' % (l, n, text(b)) for (l, n), a, b in zip(readable, before, after) if a != b]
                by.setdefault(' '.join(['ok'] + changed), []).append(i)
            for outcome, numbers in by.items():
                for i in numbers if outcome[0] == 'E' else []:
                    put(s.fileno(), level, name, values[i])
            if snapshot(s.fileno(), readable) != before:
                raise SystemExit('%d.%d: what it refuses changes something' % (level, name))
            s.close()
            writes['%d.%d' % (level, name)] = {outcome: ranges(numbers) for outcome, numbers in by.items()}
    return {'readable': ' '.join('%d.%d' % pair for pair in readable), 'reads': reads, 'writes': writes}


def fold(table, base):
    """Options that answer alike stand together; those that answer as the first kind's do are left out."""
    groups = {}
    for key, answers in table.items():
        if base.get(key) != answers:
            groups.setdefault(json.dumps(answers), []).append(key)
    return [[' '.join(keys), json.loads(answers)] for answers, keys in groups.items()]


def main():
    open('/proc/sys/net/ipv4/ping_group_range', 'w').write('0 2147483647')
    keep = tap('eth0', '10.0.0.1/24')
    values = probes()
    out = {'kernel': os.uname().release, 'values': [v.hex() for v in values], 'kinds': {}}
    first = None
    for kind in sys.argv[1:]:
        levels = LEVELS if kind.startswith('udp') else (0, 1, 17, 263) if kind.startswith('packet') else (0, 1, 17, 255)
        table = record(kind, levels, values)
        base = first or {'reads': {}, 'writes': {}}
        first = first or table
        out['kinds'][kind] = {'readable': table['readable'], 'reads': fold(table['reads'], base['reads']), 'writes': fold(table['writes'], base['writes'])}
    json.dump(out, sys.stdout, indent=0, separators=(',', ':'))
    os.close(keep)


main()
