"""The published benchmark, in and out: items as the DevCV Toolbox is distributed, to and from a toolbox folder.

published folder, JSON file or hub data set
    -> find_files      layouts.py    which files hold records, of which task and split, and where their pictures are
    -> recognise       prompts.py    which task and variant a prompt belongs to, and what may be answered
    -> item_of         items.py      its rounds, options and pictures; winoground_list.py for rows of Baby Winoground
    -> box_reading     boxes.py      whether ``bb`` means width and height or the far corner, and of which picture
    -> import_items    importing.py  a toolbox folder, with every source record kept beside the items
    -> export_items    exporting.py  the same files again, or another layout

What is imported and exported in the layout it came in is equal to the source byte by byte, but for files that are
written in a way of their own (formatting.py), whose records are equal key by key.
"""

from babyvlm.toolbox.published.exporting import ExportLayout, export_items
from babyvlm.toolbox.published.importing import ImportConfig, Imported, import_items, report_import, warn_of_problems
from babyvlm.toolbox.published.prompts import Recognised, recognise
from babyvlm.toolbox.published.records import PublishedRecord, published_records

__all__ = [
    "ExportLayout",
    "ImportConfig",
    "Imported",
    "PublishedRecord",
    "Recognised",
    "export_items",
    "import_items",
    "published_records",
    "recognise",
    "report_import",
    "warn_of_problems",
]
