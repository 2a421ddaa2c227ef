"""Signatures: which mistake turns the true gradient of one tensor into the one that was got."""
