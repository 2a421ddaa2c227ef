"""The suite's figures: wrong gradients found, right ones passed, kinds named rightly.

python tests/planted/gradients/suite.py            # prints them
python tests/planted/gradients/suite.py --write    # and writes results/reference/check/suite.json
"""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
REFERENCE = ROOT / "results/reference/check/suite.json"

if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from planted.gradients.cases import RIGHT_CASES, UNKNOWN_CASES, WRONG_CASES  # noqa: E402


def named(case, check):
    """Whether exactly the planted kinds were found, and in the tensor where they are."""
    kinds = {finding.kind for finding in check.findings}
    where = case.tensor and case.tensor.rstrip("*")
    at = not where or any((finding.tensor or "").startswith(where) for finding in check.findings)
    return kinds == set(case.kinds) and at


def figures():
    """All cases checked, and counted."""
    wrong = [(case, case.check()) for case in WRONG_CASES]
    right = [(case, case.check()) for case in RIGHT_CASES]
    strange = [(case, case.check()) for case in UNKNOWN_CASES]
    by_kind = {}
    for case, check in wrong:
        for kind in case.kinds:
            row = by_kind.setdefault(kind, {"planted": 0, "named": 0})
            row["planted"] += 1
            row["named"] += any(finding.kind == kind for finding in check.findings)
    return {
        "planted": len(wrong),
        "found": sum(check.verdict == "wrong" for _, check in wrong),
        "named": sum(named(case, check) for case, check in wrong),
        "right": len(right),
        "passed": sum(check.verdict == "right" and not check.findings for _, check in right),
        "without_signature": len(strange),
        "without_signature_found": sum(check.verdict == "wrong" for _, check in strange),
        "without_signature_given_a_name": sum(not named(case, check) for case, check in strange),
        "not_named": [case.id for case, check in wrong if not named(case, check)],
        "kinds": dict(sorted(by_kind.items())),
    }


def main():
    """Print the figures, and write them where that is asked for."""
    found = figures()
    print(f"wrong gradients found: {found['found']} of {found['planted']}")
    print(f"right gradients passed: {found['passed']} of {found['right']}")
    print(
        f"kinds named rightly: {found['named']} of {found['planted']} ({found['named'] / found['planted']:.1%})"
    )
    print(
        f"without a known signature: {found['without_signature_found']} of {found['without_signature']} found, "
        f"{found['without_signature_given_a_name']} given a name"
    )
    for each in found["not_named"]:
        print(f"  not named: {each}")
    if "--write" in sys.argv:
        REFERENCE.parent.mkdir(parents=True, exist_ok=True)
        REFERENCE.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
