"""Fades a move of the mid over the last bars that is larger than a threshold: the arena's kind "process" at work.

params = { command = ["python3", "examples/strategies/fade.py", "5", "0.0002"], lookback = 5 }

One line in for every bar, one line out; what is said of a bar with "warmup": true is not used. Only the last `lookback`
bars before the present one may count, since no others are told again after a restart.
"""
import json
import sys
from collections import deque

lookback, threshold = int(sys.argv[1]), float(sys.argv[2])
mids = deque(maxlen=lookback + 1)
for line in sys.stdin:
    bar = json.loads(line)
    if bar["window"] == 1:  # a silence of the market cleared all windows
        mids.clear()
    mids.append(float(bar["bid"]["close"]) + float(bar["offer"]["close"]))
    y_pred = 2 - mids[-1] / mids[0]  # the move back
    signal = "long" if y_pred - 1 > threshold else "short" if y_pred - 1 < -threshold else "none"
    print(json.dumps({"signal": signal, "y_pred": y_pred}), flush=True)
