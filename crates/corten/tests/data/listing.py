"""A tar on standard input as one line for each member, without times."""
import hashlib
import sys
import tarfile

archive = tarfile.open(fileobj=sys.stdin.buffer, mode="r|")
lines = []
for member in archive:
    data = archive.extractfile(member) if member.isreg() else None
    digest = hashlib.sha256(data.read()).hexdigest()[:16] if data else ""
    kind = {b"0": "f", b"1": "h", b"2": "l", b"3": "c", b"4": "b", b"5": "d", b"6": "p"}[member.type]
    name = member.name.strip("/")
    lines.append(f"{name} {kind} {member.mode & 0o7777:o} {member.uid}:{member.gid} {member.linkname} {digest}".rstrip())
print("\n".join(sorted(lines)))
