"""The instrument: strategies in processes of their own that take turns, and are stopped while they wait.

worker.py      the child: one strategy, prepared, called when it is told to
process.py     the parent's handle on a child: start, ask, stop, continue, kill
turns.py       starts and turns of a group of workers -> samples
group.py       one scenario: forecast, verify, take turns -> records
here.py        groups one after another on this machine
instrument.py  groups -> journal; resume
"""
