#!/usr/bin/env python3
"""A second verifier for exports and proofs of qr-login, with nothing but Python's standard library. It finds what `qr-verify` finds.

usage: qr_verify.py KEY export EXPORT --checkpoint FILE [--checkpoint FILE]... [--tiles FOLDER]
       qr_verify.py KEY proof PROOF [--line FILE]
       qr_verify.py KEY person PROOF
KEY: NAME+ID+KEY, or a file with such keys of the log and of witnesses, and N of: so many witnesses must have signed."""
import base64, functools, hashlib, os, re, sys

P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
class Refuted(Exception): pass

def add(a, b):  # Points of edwards25519, (x, y, z, xy/z): RFC 8032, section 5.1.4.
    A, B, C, E = (a[1] - a[0]) * (b[1] - b[0]), (a[1] + a[0]) * (b[1] + b[0]), 2 * a[3] * b[3] * D, 2 * a[2] * b[2]
    e, f, g, h = (B - A) % P, (E - C) % P, (E + C) % P, (B + A) % P
    return e * f % P, g * h % P, f * g % P, e * h % P
def times(n, point):
    return add(times(n // 2, add(point, point)), point if n & 1 else (0, 1, 1, 0)) if n else (0, 1, 1, 0)
def point(data):
    y, sign = int.from_bytes(data, 'little') & (2**255 - 1), data[31] >> 7
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if x * x % P == square else x * pow(2, (P - 1) // 4, P) % P
    if y >= P or x * x % P != square:
        raise Refuted('a key or a signature is no point of the curve')
    return (x if x & 1 == sign else P - x), y, 1, (x if x & 1 == sign else P - x) * y % P
def has_signed(key, message, signature):
    s, h = (int.from_bytes(it, 'little') for it in (signature[32:], hashlib.sha512(signature[:32] + key + message).digest()))
    a, b = times(s, point(bytes([88] + [102] * 31))), add(point(signature[:32]), times(h % L, point(key)))
    return len(signature) == 64 and s < L and all((a[i] * b[2] - b[i] * a[2]) % P == 0 for i in (0, 1))

def sha(data): return hashlib.sha256(data).digest()
def b64(text): return base64.b64decode(text, validate=True)
def leaf(line): return sha(b'\0' + line.encode())
def node(left, right): return sha(b'\1' + left + right)
def read(file): return open(file, encoding='utf-8', newline='\n').read()
def position_of(line): return int((re.match(r'\{"position":(0|[1-9][0-9]*),', line) or [0, 0])[1])
def push(tree, value):
    while tree and tree[-1][0] == value[0]:
        value = value[0] + 1, node(tree.pop()[1], value[1])
    tree.append(value)
def root_of(tree):
    return functools.reduce(lambda right, left: node(left[1], right), tree[-2::-1], tree[-1][1] if tree else sha(b''))
def in_tree(index, size, value, proof, root):  # RFC 9162, section 2.1.3.2.
    last, is_short = size - 1, not 0 <= index < size
    for sibling in proof:
        is_short |= last <= 0
        right = index & 1 or index == last
        value = node(sibling, value) if right else node(value, sibling)
        while right and not index & 1 and index:
            index, last = index >> 1, last >> 1
        index, last = index >> 1, last >> 1
    return last == 0 and not is_short and value == root
def signed(note, keys):
    text, _, signatures = note.rpartition('\n\n')
    text, origin, seen = text + '\n', text.split('\n')[0], set()
    checkpoint = re.match(r'[^\n]+\n(0|[1-9][0-9]*)\n([A-Za-z0-9+/]{43}=)\n', text)
    if not checkpoint:
        raise Refuted('it is no signed note with a checkpoint')
    for name, blob in re.findall('^\u2014 ([^ \n]+) ([^ \n]+)$', signatures, re.M):
        for key in (key for key in keys if '+' in key):
            material, blob_bytes = b64(key.split('+', 2)[2]), b64(blob)
            key_id = sha(name.encode() + b'\n' + material)[:4]
            if key.split('+')[:2] == [name, key_id.hex()] and blob_bytes[:4] == key_id:
                time = f'cosignature/v1\ntime {int.from_bytes(blob_bytes[4:12], "big")}\n' if material[0] == 4 else ''
                if not has_signed(material[1:], (time + text).encode(), blob_bytes[12 if time else 4:]):
                    raise Refuted(f'the signature of {name} is not one of this checkpoint')
                seen.add((material[0], name))
    required = next((int(word) for word in keys if word.isdigit()), 0)
    if (1, origin) not in seen or sum(kind == 4 for kind, _ in seen) < required:
        raise Refuted(f'it is not signed by the key of {origin}, or by fewer than {required} of the witnesses')
    return origin, int(checkpoint[1]), b64(checkpoint[2])

def export(file, checkpoints, tiles):
    roots, tree, position, end = {}, [], 0, max(size for _, size, _ in checkpoints)
    for origin, size, root in checkpoints:
        if origin != checkpoints[0][0] or roots.setdefault(size, root) != root:
            raise Refuted(f'fork: {origin} has signed two histories up to position {size}, or there are two logs')
    for line in open(file, encoding='utf-8', newline='\n'):
        position, line = position + 1, line.removesuffix('\n')
        if position_of(line) != position:
            raise Refuted(f'position {position}: the line in its place has position {position_of(line)}')
        if tiles and position <= end:
            index, width = (position - 1) // 256, min(256, end - (position - 1) // 256 * 256)
            name = re.sub(r'(\d{3})(?=\d)', r'x\1/', str(index).zfill(-(-len(str(index)) // 3) * 3))
            with open(os.path.join(tiles, '0', name + (f'.p/{width}' if width < 256 else '')), 'rb') as tile:
                if tile.read()[(position - 1) % 256 * 32:][:32] != leaf(line):
                    raise Refuted(f'position {position}: the line, or the tile, is not the one that was signed')
        push(tree, (0, leaf(line)))
        if position in roots and root_of(tree) != roots[position]:
            before = max([size for size in roots if size < position], default=0)
            raise Refuted(f'positions {before + 1} to {position}: not what {checkpoints[0][0]} has signed')
    if position < end:
        raise Refuted(f'position {position + 1}: the export ends before it, and was signed up to {end}')
    return f'positions 1 to {end} are the history that {checkpoints[0][0]} has signed'

def check(index, line, hashes, checkpoint):
    if position_of(line) != index + 1 or not in_tree(index, checkpoint[1], leaf(line), hashes, checkpoint[2]):
        raise Refuted(f'position {index + 1}: the line is not the one that {checkpoint[0]} has signed')
    return f'position {index + 1} of {checkpoint[0]} is this event:\n{line}'
def proof(text, line, keys):
    body, _, note = text.partition('\n\n')
    extra, index, hashes = re.fullmatch(r'c2sp.org/tlog-proof@v1\n(?:extra (.*)\n)?index (0|[1-9]\d*)((?:\n.*)*)', body).groups()
    line = b64(extra).decode() if line is None else line.removesuffix('\n')
    return check(int(index), line, [b64(each) for each in hashes.split()], signed(note, keys))

def person(text, keys):
    body, _, note = text.partition('\n\n')
    head = re.match(r'qr-login/person-proof@v1\naccount (.*)\nheads (\d+) (\d+)\n', body)
    checkpoint, place, heads, events, made, last = signed(note, keys), [], [], [], {}, 0
    for kind, rest in (line.split(' ', 1) for line in body[head.end():].split('\n')):
        if kind == 'hash':
            (events[-1][1] if events else place).append(b64(rest))
        else:
            (heads if kind == 'head' else events).append(rest if kind == 'head' else (rest, []))
    what = re.search(r',"stream":"log","stream_id":"log",.*"event":"HeadsCommitted",.*"payload":\{'
                     r'"accounts":(\d+),"at":"[^"]+","position":(\d+),"root":"([^"]+)"\},"event_version"', events[0][0])
    content = 'account ' + head[1] + '\n' + '\n'.join(heads)
    if head[3] != what[1] or not in_tree(int(head[2]), int(head[3]), leaf(content), place, b64(what[3])):
        raise Refuted(f'the heads are not those that were committed for {head[1]}')
    for line, hashes in events:
        check(position_of(line) - 1, line, hashes, checkpoint)
    for line, _ in events[1:]:
        mine = f'"account_id":"{head[1]}"' in line or f',"stream":"account","stream_id":"{head[1]}",' in line
        stream, version = re.search(r',"stream":(.*?),"version":(\d+),"event":', line).groups()
        if not mine or position_of(line) <= last:
            raise Refuted(f'position {position_of(line)}: the event is not in order, or not about {head[1]}')
        last = position_of(line)
        if position_of(line) <= int(what[2]):
            made[stream] = version, position_of(line), made.get(stream, (0, 0, 0))[2] + 1
    if heads != ['{"stream":%s,"version":%s,"position":%s,"events":%s}' % (it, *made[it]) for it in sorted(made)]:
        raise Refuted(f'an event is missing, or there is one too many, up to position {what[2]}')
    return f'these events are all of {head[1]} up to position {what[2]}, as {checkpoint[0]} has signed'

def main(key, what, file, *options):
    keys = (key if '+' in key else read(key)).split()
    given = lambda name: [options[at + 1] for at in range(0, len(options), 2) if options[at] == name]
    if what == 'export':
        return export(file, [signed(read(note), keys) for note in given('--checkpoint')], *given('--tiles') or [None])
    return proof(read(file), next(map(read, given('--line')), None), keys) if what == 'proof' else person(read(file), keys)

if __name__ == '__main__':
    try:
        print('holds:', main(*sys.argv[1:]))
    except Refuted as why:
        sys.exit(print('does not hold:', why) or 1)
    except (ValueError, TypeError, AttributeError, IndexError, OSError) as why:
        sys.exit(print(__doc__, repr(why), sep='\n', file=sys.stderr) or 2)
