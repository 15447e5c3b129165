//! The book on disk: one JSON line per answered key, forced to the disk before the client hears.
//!
//! A line is the unit of atomicity: a torn last line was never answered and is cut off at start.
//! A line that does not parse anywhere else is damage, and the simulator refuses to guess.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::book::{Book, Entry};
use crate::error::Error;

/// The open journal and the fold of its lines.
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    /// End of the last whole line; a failed write is undone to here.
    end: u64,
    book: Book,
}

// === impl Journal ===

impl Journal {
    /// Opens the journal, or starts one, and reads what is in it.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let failed = |action| {
            move |source| Error::Journal {
                path: path.to_owned(),
                action,
                source,
            }
        };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed("created"))?;
        }
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)
            .map_err(failed("opened"))?;
        let text = io::read_to_string(&file).map_err(failed("read"))?;
        let whole = text.rfind('\n').map_or(0, |last| last + 1);
        let mut book = Book::default();
        for (index, line) in text[..whole].lines().enumerate() {
            let entry: Entry = serde_json::from_str(line).map_err(|source| Error::Damaged {
                path: path.to_owned(),
                line: index + 1,
                source,
            })?;
            book.apply(entry);
        }
        let end = whole as u64;
        file.set_len(end).map_err(failed("cut"))?;
        file.seek(SeekFrom::Start(end)).map_err(failed("read"))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            end,
            book,
        })
    }

    /// What the entries add up to.
    pub(crate) fn book(&self) -> &Book {
        &self.book
    }

    /// Writes an entry down, then takes it into the book. On an error neither has happened.
    pub(crate) fn record(&mut self, entry: Entry) -> Result<(), Error> {
        if let Err(source) = self.append(&entry) {
            let undone = self
                .file
                .set_len(self.end)
                .and_then(|()| self.file.seek(SeekFrom::Start(self.end)));
            if let Err(error) = undone {
                tracing::error!(%error, "the journal keeps half a line");
            }
            return Err(Error::Journal {
                path: self.path.clone(),
                action: "written",
                source,
            });
        }
        self.book.apply(entry);
        Ok(())
    }

    fn append(&mut self, entry: &Entry) -> io::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        self.file.write_all(&line)?;
        self.file.sync_data()?;
        self.end += line.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
