"""A workbook as LibreOffice, without a screen, recalculates it."""

import functools
import io
import shutil
import subprocess

import openpyxl
import pytest

SOFFICE = shutil.which("soffice")

needs_soffice = pytest.mark.skipif(
    SOFFICE is None, reason="soffice is not installed (apt-get install libreoffice-calc)"
)


@functools.cache
def opened(data, values=False):
    """The workbook in these bytes, to read: its formulas, or the values that were stored with them."""
    return openpyxl.load_workbook(io.BytesIO(data), data_only=values)


def editable(data):
    """The formulas in these bytes, to be changed."""
    return openpyxl.load_workbook(io.BytesIO(data))


def recalculate(books, folder):
    """Workbooks by name, all formulas evaluated anew: openpyxl has thrown away the values of each."""
    (folder / "in").mkdir()
    for name, book in books.items():
        book.save(folder / "in" / f"{name}.xlsx")
    command = [SOFFICE, f"-env:UserInstallation={(folder / 'profile').as_uri()}", "--headless"]
    command += ["--convert-to", "xlsx", "--outdir", str(folder / "out")]
    files = [str(folder / "in" / f"{name}.xlsx") for name in books]
    subprocess.run([*command, *files], check=True, capture_output=True, timeout=110)
    return {name: openpyxl.load_workbook(folder / "out" / f"{name}.xlsx", data_only=True) for name in books}


@functools.cache
def cells(book):
    """Every cell that holds something, by sheet and place."""
    return {
        (sheet.title, cell.coordinate): cell.value
        for sheet in book
        for row in sheet.iter_rows()
        for cell in row
        if cell.value is not None
    }


def block(book, sheet, title):
    """The numbers below the line that begins with `title`, as rows."""
    rows = list(book[sheet].iter_rows(values_only=True))
    (start,) = [k for k, row in enumerate(rows) if str(row[0] or "").startswith(title)]
    found = []
    for row in rows[start + 2 :]:
        numbers = [value for value in row[1:] if value is not None]
        if not numbers:
            break
        found.append(numbers)
    return found
