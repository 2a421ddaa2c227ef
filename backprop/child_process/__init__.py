"""Child processes: started, asked, stopped while they wait, and ended with everything that they have started.

    with ChildProcess("backprop.bench.worker") as child:
        child.send({"do": "ping"})
        answer = child.receive(timeout_s=60)

A question is a JSON object on one line of the child's standard input, an answer one on a line of its standard output.
Bytes may follow either line, as many as the two sides agree on. Nothing that a child sends is trusted: a line has a
greatest length, what the child prints is kept up to a limit, and no wait is without one.
"""

from backprop.child_process.child import private_output, tie_to_parent
from backprop.child_process.process import ChildError, ChildProcess, signal_name

__all__ = ["ChildError", "ChildProcess", "private_output", "signal_name", "tie_to_parent"]
