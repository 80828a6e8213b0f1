"""B18: names that can't be shown, and some that only look so."""

from probe import say

for name in (b'\xff\xfe', b'a\nb', b'esc\x1b[0m', b'\xed\xa0\x80', '\u202e\u200b'.encode(), b'<script>', b'=cmd|x', b'n' * 255):
    with open(name, 'wb') as file:
        file.write(b'x')
say()
