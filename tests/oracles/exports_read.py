"""Reads every exported table with pandas, polars and DuckDB, as CSV and as Parquet, and holds them against each other.

    python exports_read.py DIR

DIR holds TABLE.csv and TABLE.parquet. Prints one line a table; ends with 1 at the first thing that is not as it should be.
"""

import sys
from pathlib import Path

import duckdb
import pandas
import polars

TIMES = {"time", "time_utc", "start", "end", "opened", "closed", "made", "valid_from", "valid_until", "until", "sent", "registered"}
INDEX = {"", "index", "level_0", "Unnamed: 0", "__index_level_0__", "column0"}


def check(is_right, what):
    if not is_right:
        sys.exit(f"not so: {what}")


def table(folder, name):
    csv, parquet = folder / f"{name}.csv", folder / f"{name}.parquet"
    header = csv.open(encoding="utf-8").readline().rstrip("\n").split(",")

    frames = {
        "pandas csv": pandas.read_csv(csv),
        "pandas parquet": pandas.read_parquet(parquet),
        "polars csv": polars.read_csv(csv, infer_schema_length=None),
        "polars parquet": polars.read_parquet(parquet),
    }
    base = duckdb.connect()
    base.execute("SET TimeZone = 'UTC'")
    counts = {}
    for kind, source in (("csv", f"read_csv('{csv}', header = true)"), ("parquet", f"read_parquet('{parquet}')")):
        described = base.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
        check([row[0] for row in described] == header, f"DuckDB's columns of {name}.{kind}: {described}")
        counts[f"duckdb {kind}"] = base.execute(f"SELECT count(*) FROM {source}").fetchone()[0]
        if kind == "parquet":
            for column, type_ in ((row[0], row[1]) for row in described):
                check((column in TIMES) == (type_ == "TIMESTAMP WITH TIME ZONE"), f"DuckDB: {name}.{column} is {type_}")
    for reader, frame in frames.items():
        check(list(frame.columns) == header, f"{reader}: columns of {name} are {list(frame.columns)}")
        counts[reader] = len(frame)
    check(not INDEX & set(header), f"{name} has an index column: {header}")
    check(len(set(counts.values())) == 1, f"rows of {name}: {counts}")

    for column in TIMES & set(header):
        dtype = frames["pandas parquet"][column].dtype
        check(str(getattr(dtype, "tz", None)) == "UTC", f"pandas: {name}.{column} is {dtype}")
        check(frames["polars parquet"].schema[column] == polars.Datetime("us", "UTC"), f"polars: {name}.{column}")
        read = pandas.to_datetime(frames["pandas csv"][column], utc=True, format="ISO8601")
        same = (read == frames["pandas parquet"][column]) | (read.isna() & frames["pandas parquet"][column].isna())
        check(same.all(), f"times of {name}.{column} differ between CSV and Parquet")
    exact = frames["pandas parquet"]
    printed = pandas.read_csv(csv, dtype=str, keep_default_na=False)
    for column in header:
        values = exact[column].dropna()
        if len(values) and type(values.iloc[0]).__name__ == "Decimal":
            want = printed.loc[values.index, column]
            check(all(type(v)(w) == v for v, w in zip(values, want)), f"decimals of {name}.{column} differ")
    print(f"{name}: {counts['duckdb csv']} rows, {len(header)} columns")


def main():
    folder = Path(sys.argv[1])
    names = sorted(path.stem for path in folder.glob("*.csv"))
    check(len(names) >= 9, f"tables in {folder}: {names}")
    for name in names:
        table(folder, name)
    base = duckdb.connect()
    joined = base.execute(
        f"""SELECT count(*) FROM read_parquet('{folder}/trades.parquet') t
            JOIN read_parquet('{folder}/models.parquet') m USING (model)
            WHERE t.closed > t.opened AND t.r BETWEEN -m.floor_r AND 100"""
    ).fetchone()[0]
    trades = base.execute(f"SELECT count(*) FROM read_parquet('{folder}/trades.parquet')").fetchone()[0]
    check(joined == trades, f"{joined} of {trades} trades join their models")
    print(f"{joined} trades joined with their models")


main()
