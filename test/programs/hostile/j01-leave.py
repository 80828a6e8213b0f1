"""J01: a file of a name of its own in every place that might take one."""

from probe import attempt, given, say, write

for place in given['places']:
    attempt(place, lambda: write(place + '/' + given['token'], given['token']))
say()
