"""Models beside children: choices by divergence, words by age of acquisition, items by ability and difficulty."""

from babyvlm.children.comparison import ChildrenComparison, beside_children
from babyvlm.children.configuration import ChildrenConfig
from babyvlm.children.page import write_page

__all__ = ["ChildrenComparison", "ChildrenConfig", "beside_children", "write_page"]
