"""G03: sequences that steer a terminal, turn text around or hide in it, and bytes that are no text."""

import os

os.write(1, b'\x1b]0;x\x07\x1b]8;;x\x1b\\\x1b]52;c;eA==\x07\x1b[2J\x1bP\x9c\x00' + '\u202e\u200b\ufeff'.encode() + b'\xff\r\n')
