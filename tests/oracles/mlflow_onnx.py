"""A scikit-learn pipeline that MLflow's own client logs as ONNX, for the arena to load and trade.

Measured with mlflow 3.17.2, scikit-learn 1.9.1, skl2onnx 1.20.0, onnx 1.23.2, onnxruntime 1.32.0.

    mlflow_onnx.py log URL NAME BARS PICKLE [--kind ridge|forest] [--spoil]
    mlflow_onnx.py file BARS PICKLE ONNX PROBES
    mlflow_onnx.py plain URL NAME BARS
    mlflow_onnx.py predict BARS PICKLE

BARS is what `arena export --table bars` or `arena resample` writes. `log` fits, logs and registers a version that
carries its note for the arena; `--spoil` makes one probe wrong. `file` writes the model as a file, and its probes as
CSV. `plain` logs a version in scikit-learn's flavour alone. `predict` prints scikit-learn's own prediction for the
close of every bar as JSON, `{end: y}`.
"""

import csv
import json
import pickle
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
        bars, path = arguments
        ends, bid, offer = read(bars)
        with open(path, "rb") as file:
            model = pickle.load(file)
        print(json.dumps(dict(zip(ends[LAGS:], model.predict(rows(bid, offer)).tolist()))))
        return
    if command == "file":
        bars, path, onnx, csv_path = arguments
        model, x = fit("ridge", *read(bars)[1:])
        with open(path, "wb") as file:
            pickle.dump(model, file)
        with open(onnx, "wb") as file:
            file.write(as_onnx(model).SerializeToString())
        with open(csv_path, "w") as file:
            file.write(",".join([f"lag_{j}" for j in range(1, LAGS + 1)] + ["y"]) + "\n")
            for row, y in probes(model, x):
                file.write(",".join(repr(value) for value in [*row, y]) + "\n")
        return

    import mlflow

    mlflow.set_tracking_uri(arguments[0])
    mlflow.set_experiment("python")
    name, bars = arguments[1:3]
    if command == "plain":
        model, _ = fit("ridge", *read(bars)[1:])
        with mlflow.start_run():
            mlflow.sklearn.log_model(model, name="model", registered_model_name=name)
        return
    kind = arguments[arguments.index("--kind") + 1] if "--kind" in arguments else "ridge"
    model, x = fit(kind, *read(bars)[1:])
    with open(arguments[3], "wb") as file:
        pickle.dump(model, file)
    pairs = probes(model, x)
    if "--spoil" in arguments:
        row, y = pairs[3]
        pairs[3] = (row, y + 0.001)
    onnx = as_onnx(model)
    entry = onnx.metadata_props.add()
    entry.key, entry.value = "arena", note(pairs)
    with mlflow.start_run():
        mlflow.onnx.log_model(onnx, name="model", registered_model_name=name)


main(sys.argv[1], sys.argv[2:])
