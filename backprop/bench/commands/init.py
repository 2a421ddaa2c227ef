EXAMPLES=""
def init() -> None:
    """x"""
