"""The parts of the HTML page of a run: its answer, its tables, its charts, and what they are drawn with."""
