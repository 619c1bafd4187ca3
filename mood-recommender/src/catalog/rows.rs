//! The rows of a table in batches, which threads read side by side.

/// Rows whose cells lie one behind the other in one buffer.
#[derive(Default)]
pub(super) struct Batch {
    text: String,
    /// Where each cell ends.
    ends: Vec<usize>,
    rows: Vec<Row>,
}

struct Row {
    /// Its first cell in `ends`.
    first: usize,
    cells: usize,
    line: Option<u64>,
}

impl Batch {
    /// Bytes after which a batch is full.
    const FULL: usize = 1 << 19;

    pub(super) fn push<'c>(&mut self, cells: impl Iterator<Item = &'c str>, line: Option<u64>) {
        let first = self.ends.len();
        for cell in cells {
            self.text.push_str(cell);
            self.ends.push(self.text.len());
        }
        self.rows.push(Row { first, cells: self.ends.len() - first, line });
    }

    pub(super) fn is_full(&self) -> bool {
        self.text.len() + self.ends.len() * size_of::<usize>() >= Self::FULL
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn line(&self, row: usize) -> Option<u64> {
        self.rows[row].line
    }

    pub(super) fn cells(&self, row: usize) -> usize {
        self.rows[row].cells
    }

    /// A cell without the blanks around it; empty where the row is too short.
    pub(super) fn cell(&self, row: usize, at: usize) -> &str {
        let Row { first, cells, .. } = self.rows[row];
        if at >= cells {
            return "";
        }
        let end = self.ends[first + at];
        let start = match first + at {
            0 => 0,
            place => self.ends[place - 1],
        };
        let cell = &self.text[start..end];
        match cell.as_bytes() {
            [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => cell,
            _ => cell.trim(),
        }
    }
}
