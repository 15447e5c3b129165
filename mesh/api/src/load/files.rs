//! Which files a path names, and their text.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// What `kubectl apply -f FOLDER` takes.
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// Ten thousand policies of ten rules are some 25 MB; what is ten times that is no policy file.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// Folders in folders: deeper than any tree of configuration, shallower than a stack.
const FOLDER_DEPTH_MAX: usize = 32;

pub(crate) enum Source {
    Text(PathBuf, String),
    Unreadable(PathBuf, String),
}

/// The text of a file, or of every file in a folder and below, in the order of their names.
///
/// Names that begin with a dot are left out: Kubernetes mounts a ConfigMap through a folder `..data`
/// that holds every file a second time. A folder without any file is an error, because policies that
/// are not found protect nothing.
pub(crate) fn of(path: &Path) -> Vec<Source> {
    if !path.is_dir() {
        return vec![read(path)];
    }
    let mut sources = Vec::new();
    folder(path, 0, &mut sources);
    if sources.is_empty() {
        let message = "no file that ends in .yaml, .yml or .json";
        sources.push(Source::Unreadable(path.to_owned(), message.to_owned()));
    }
    sources
}

/// The text of one file.
pub(crate) fn read(path: &Path) -> Source {
    let unreadable = |message: String| Source::Unreadable(path.to_owned(), message);
    let mut bytes = Vec::new();
    let outcome =
        fs::File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    if let Err(error) = outcome {
        return unreadable(error.to_string().to_lowercase());
    }
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return unreadable(format!("larger than {FILE_BYTES_MAX} bytes"));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Source::Text(path.to_owned(), text),
        Err(_) => unreadable("not UTF-8".to_owned()),
    }
}

// === helpers ===

fn folder(path: &Path, depth: usize, sources: &mut Vec<Source>) {
    if depth > FOLDER_DEPTH_MAX {
        let message = format!("folders nested deeper than {FOLDER_DEPTH_MAX}");
        sources.push(Source::Unreadable(path.to_owned(), message));
        return;
    }
    let entries = fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut entries = match entries {
        Ok(entries) => entries,
        Err(error) => {
            let message = error.to_string().to_lowercase();
            sources.push(Source::Unreadable(path.to_owned(), message));
            return;
        }
    };
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        // A link to a folder is not followed: it could lead back to where we are.
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let extension = path.extension().and_then(|extension| extension.to_str());
        if is_hidden {
            continue;
        }
        if is_folder {
            folder(&path, depth + 1, sources);
        } else if extension.is_some_and(|extension| EXTENSIONS.contains(&extension)) {
            sources.push(read(&path));
        }
    }
}
