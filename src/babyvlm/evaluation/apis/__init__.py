"""Models behind an API as respondents, each through its provider's own client.

question -> turns with JPEG pictures -> client -> reply, its tokens and its cost
            retried where a call may do better later, kept as soon as it is paid, stopped before the budget is passed
"""

from babyvlm.evaluation.apis.choose import APIS, open_api
from babyvlm.evaluation.apis.respondent import ApiRespondent

__all__ = ["APIS", "ApiRespondent", "open_api"]
