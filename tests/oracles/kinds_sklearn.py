"""Writes kinds_sklearn.json: small fits of every kind by scikit-learn, for `tests/sklearn_parity.rs`.

    python3 -m venv venv && venv/bin/pip install scikit-learn==1.9.1 numpy==2.4.6
    venv/bin/python kinds_sklearn.py > kinds_sklearn.json

Features are multiples of 1/1024, so that the single precision in which scikit-learn's trees hold them loses nothing.
Tree kinds are fitted under three seeds and must agree: what depends on a seed cannot be compared. Each entry is what the
arena is told (`kind`, `params`), what it must predict for `x_test`, and within what.
"""
import json
import warnings

import numpy as np
import scipy
import sklearn
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor, StackingRegressor
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import KFold
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVR

warnings.simplefilter("error")
rng = np.random.Generator(np.random.PCG64(20))
N, TEST, WIDTH = 200, 40, 6
base = rng.standard_normal((N + TEST, WIDTH))
base[:, 1] = 0.9 * base[:, 0] + 0.3 * base[:, 1]
base[:, 2] = 0.7 * base[:, 1] + 0.5 * base[:, 2]
x_all = np.round(base * np.array([1.0, 2.0, 0.5, 1.0, 3.0, 1.0]) * 1024) / 1024
signal = 0.6 * x_all[:, 0] - 0.2 * x_all[:, 1] + np.sin(x_all[:, 3]) + 0.4 * (x_all[:, 4] > 0)
y_all = 1.0 + 0.01 * (signal + 0.5 * rng.standard_normal(N + TEST))
x, x_test, y = x_all[:N], x_all[N:], y_all[:N]

entries = []


def add(kind, params, predicted, tolerance):
    entries.append({"kind": kind, "params": {k: str(v) for k, v in params.items()},
                    "predictions": predicted.tolist(), "tolerance": tolerance})


def standard(model):
    return TransformedTargetRegressor(make_pipeline(StandardScaler(), model), transformer=StandardScaler())


def both(kind, raw_params, raw, standard_params, scaled, tolerance):
    add(kind, {**raw_params, "scale": "none"}, raw.fit(x, y).predict(x_test), tolerance)
    add(kind, {**standard_params, "scale": "standard"}, standard(scaled).fit(x, y).predict(x_test), tolerance)


knn = make_pipeline(StandardScaler(), KNeighborsRegressor(7, weights="distance", algorithm="brute"))
add("knn", {"k": 7, "weights": "distance", "scale": "standard"}, knn.fit(x, y).predict(x_test), 1e-9)
add("ols", {}, LinearRegression().fit(x, y).predict(x_test), 1e-12)
both("ridge", {"alpha": 25}, Ridge(25.0), {"alpha": 3}, Ridge(3.0), 1e-12)
tight = {"tol": 1e-14, "max_iter": 1_000_000}
both("lasso", {"alpha": 0.001}, Lasso(0.001, **tight), {"alpha": 0.1}, Lasso(0.1, **tight), 1e-9)
both("elastic_net", {"alpha": 0.002, "l1_ratio": 0.3}, ElasticNet(0.002, l1_ratio=0.3, **tight),
     {"alpha": 0.2, "l1_ratio": 0.7}, ElasticNet(0.2, l1_ratio=0.7, **tight), 1e-9)

is_up = y > 1
up, down = y[is_up].mean(), y[~is_up].mean()
for c, scale in ((0.5, "none"), (1.0, "standard")):
    logistic = LogisticRegression(C=c, tol=1e-12, max_iter=10_000, solver="newton-cholesky")
    model = logistic if scale == "none" else make_pipeline(StandardScaler(), logistic)
    p = model.fit(x, is_up).predict_proba(x_test)[:, 1]
    add("logistic", {"c": c, "scale": scale}, down + p * (up - down), 1e-9)

both("svr", {"kernel": "rbf", "c": 0.02, "epsilon": 0.004, "gamma": 0.15}, SVR(C=0.02, epsilon=0.004, gamma=0.15, tol=1e-10),
     {"kernel": "rbf", "c": 2, "epsilon": 0.2}, SVR(C=2, epsilon=0.2, tol=1e-10), 3e-7)
both("svr", {"kernel": "linear", "c": 0.01, "epsilon": 0.003}, SVR(kernel="linear", C=0.01, epsilon=0.003, tol=1e-10),
     {"kernel": "linear", "c": 1, "epsilon": 0.3}, SVR(kernel="linear", C=1, epsilon=0.3, tol=1e-10), 3e-7)


def tail(width, model):
    return make_pipeline(FunctionTransformer(lambda rows: rows[:, :width]), model)


stack = StackingRegressor([("a", tail(2, LinearRegression())), ("b", tail(4, standard(Ridge(5.0)))),
                           ("c", tail(6, KNeighborsRegressor(4, algorithm="brute")))],
                          final_estimator=LinearRegression(), cv=KFold(7))
add("stack", {"tails": "2+4+6", "bases": "ols+ridge+knn", "base.alpha": 5, "base.k": 4, "base.weights": "uniform",
              "folds": 7}, stack.fit(x, y).predict(x_test), 1e-9)


def trees(kind, params, make, tolerance):
    fits = [make(seed).fit(x.astype(np.float32), y).predict(x_test) for seed in (1, 2, 3)]
    assert all(np.allclose(fits[0], other, rtol=0, atol=1e-12) for other in fits), (kind, params)
    add(kind, {**params, "bins": 1000}, fits[0], tolerance)


trees("forest", {"n_trees": 1, "max_depth": 6, "min_leaf": 7, "bootstrap": "no"},
      lambda seed: RandomForestRegressor(1, max_depth=6, min_samples_leaf=7, bootstrap=False, random_state=seed), 1e-10)
trees("forest", {"n_trees": 3, "max_depth": 3, "min_leaf": 10, "bootstrap": "no"},
      lambda seed: RandomForestRegressor(3, max_depth=3, min_samples_leaf=10, bootstrap=False, random_state=seed), 1e-10)
trees("gbm", {"n_trees": 25, "max_depth": 2, "min_leaf": 20, "learning_rate": 0.2},
      lambda seed: GradientBoostingRegressor(n_estimators=25, max_depth=2, min_samples_leaf=20, learning_rate=0.2,
                                             random_state=seed), 1e-10)

json.dump({"what": "Fits of scikit-learn for the kinds of the arena",
           "versions": {"scikit-learn": sklearn.__version__, "numpy": np.__version__, "scipy": scipy.__version__},
           "x": x.tolist(), "y": y.tolist(), "x_test": x_test.tolist(), "entries": entries},
          __import__("sys").stdout)
print()
