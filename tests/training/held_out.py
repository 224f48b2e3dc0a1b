"""A set some rows of which belong to the validation split."""

import shutil

import pyarrow as pa
import pyarrow.parquet as pq

from babyvlm.curation import PretrainingSet


def with_validation(data, folder):
    """A copy of a set in which every third row of every table is held out."""
    shutil.copytree(data.folder, folder)
    for path in (*folder.glob("*.parquet"), *folder.glob("instruction/*.parquet")):
        table = pq.read_table(path)
        if "split" in table.column_names and path.stem != "recordings":
            splits = ["validation" if number % 3 == 2 else "train" for number in range(len(table))]
            place = table.column_names.index("split")
            table = table.set_column(place, table.schema.field(place), pa.array(splits, table.schema.field(place).type))
            pq.write_table(table, path)
    return PretrainingSet(folder)
