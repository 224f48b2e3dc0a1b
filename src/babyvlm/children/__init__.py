"""Models beside children: choices by divergence, words by age of acquisition, items by ability and difficulty.

data, runs ──> beside_children (``comparison``) ──> write_page (``page``)

The settings alone are imported here, so that the help of a command does not wait for the figures' library.
"""

from babyvlm.children.configuration import ChildrenConfig

__all__ = ["ChildrenConfig"]
