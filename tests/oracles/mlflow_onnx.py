"""A scikit-learn pipeline that MLflow's own client logs as ONNX, for the arena to load and trade.

Measured with mlflow 3.17.2, scikit-learn 1.9.1, skl2onnx 1.20.0, onnx 1.23.2, onnxruntime 1.32.0.

    mlflow_onnx.py log URL BARS HOW=NAME...
    mlflow_onnx.py file BARS ONNX PROBES
    mlflow_onnx.py predict BARS HOW...

BARS is what `arena export --table bars` or `arena resample` writes. `log` fits, logs and registers a version of each
NAME: HOW is `ridge` or `forest`, which carry their note for the arena, `spoilt` (a ridge with one wrong probe) or `plain`
(a ridge in scikit-learn's flavour alone). `file` writes a ridge as a file, and its probes as CSV. `predict` prints
scikit-learn's own predictions for the close of every bar as JSON, `{how: {end: y}}`; fitting is deterministic.
"""

import csv
import json
import sys

import numpy as np

LAGS = 6
HORIZON = 3
PROBES = 12


def read(path):
    with open(path, newline="") as file:
        bars = list(csv.DictReader(file))
    bid = np.array([float(bar["bid_close"]) for bar in bars])
    offer = np.array([float(bar["offer_close"]) for bar in bars])
    return [bar["end"] for bar in bars], bid, offer


def rows(bid, offer):
    """Row i holds mid[i-j] / mid[i] - 1 for j = 1 … LAGS; the first LAGS bars have none."""
    mid = bid + offer
    n = len(mid)
    return np.column_stack([mid[LAGS - j : n - j] / mid[LAGS:] - 1 for j in range(1, LAGS + 1)])


def fit(kind, bid, offer):
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x = rows(bid, offer)[:-HORIZON]
    y = bid[LAGS + HORIZON :] / offer[LAGS:-HORIZON]
    if kind == "forest":
        model = RandomForestRegressor(n_estimators=20, max_depth=5, random_state=7)
    else:
        model = make_pipeline(StandardScaler(), Ridge(alpha=1.0))
    return model.fit(x, y), x


def as_onnx(model):
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType

    return to_onnx(model, initial_types=[("row", FloatTensorType([None, LAGS]))], target_opset={"": 15, "ai.onnx.ml": 3})


def probes(model, x):
    some = x[:: max(1, len(x) // PROBES)][:PROBES]
    return [(row.tolist(), float(y)) for row, y in zip(some, model.predict(some))]


def note(pairs):
    lines = ['bar = "1m"', f"horizon = {HORIZON}", f"features = {{ lags = {LAGS} }}", 'symbol = "TEST"', "probes = ["]
    lines += [f"  {{ row = [{', '.join(repr(value) for value in row)}], y = {y!r} }}," for row, y in pairs]
    return "\n".join(lines + ["]", ""])


def main(command, arguments):
    if command == "predict":
        ends, bid, offer = read(arguments[0])
        x = rows(bid, offer)
        said = {how: fit(how, bid, offer)[0].predict(x).tolist() for how in arguments[1:]}
        print(json.dumps({how: dict(zip(ends[LAGS:], y)) for how, y in said.items()}))
        return
    if command == "file":
        bars, onnx, csv_path = arguments
        model, x = fit("ridge", *read(bars)[1:])
        with open(onnx, "wb") as file:
            file.write(as_onnx(model).SerializeToString())
        with open(csv_path, "w") as file:
            file.write(",".join([f"lag_{j}" for j in range(1, LAGS + 1)] + ["y"]) + "\n")
            for row, y in probes(model, x):
                file.write(",".join(repr(value) for value in [*row, y]) + "\n")
        return

    import mlflow

    url, bars = arguments[:2]
    mlflow.set_tracking_uri(url)
    mlflow.set_experiment("python")
    for how, _, name in (argument.partition("=") for argument in arguments[2:]):
        model, x = fit(how, *read(bars)[1:])
        with mlflow.start_run():
            if how == "plain":
                mlflow.sklearn.log_model(model, name="model", registered_model_name=name)
                continue
            pairs = probes(model, x)
            if how == "spoilt":
                row, y = pairs[3]
                pairs[3] = (row, y + 0.001)
            onnx = as_onnx(model)
            entry = onnx.metadata_props.add()
            entry.key, entry.value = "arena", note(pairs)
            mlflow.onnx.log_model(onnx, name="model", registered_model_name=name)


main(sys.argv[1], sys.argv[2:])
