//! Writers of the playlist formats.

use std::borrow::Cow;
use std::io::{self, Write};
use std::path::Path;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use serde_json::json;

use super::{Playlist, PlaylistEntry, PlaylistFormat, is_address};
use crate::formula::mark_formula;

pub(super) fn write(list: &Playlist, writer: &mut dyn Write, format: PlaylistFormat) -> io::Result<()> {
    match format {
        PlaylistFormat::M3u8 => m3u8(list, writer),
        PlaylistFormat::Xspf => xspf(list, writer),
        PlaylistFormat::Jspf => jspf(list, writer),
        PlaylistFormat::Csv => csv(list, writer),
        PlaylistFormat::Text => {
            list.entries.iter().try_for_each(|entry| writeln!(writer, "{}", clean(&title(entry, "–"))))
        }
    }
}

fn title(entry: &PlaylistEntry, dash: &str) -> String {
    format!("{} {dash} {}", entry.artist, entry.name)
}

/// Replaces control characters and characters that XML forbids by blanks, so that the text is one line.
fn clean(text: &str) -> Cow<'_, str> {
    let is_bad = |letter: char| letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}');
    if text.contains(is_bad) { text.replace(is_bad, " ").into() } else { text.into() }
}

/// `#EXTINF` has whole seconds, −1 where they are unknown.
fn m3u8(list: &Playlist, writer: &mut dyn Write) -> io::Result<()> {
    writeln!(writer, "#EXTM3U\n#PLAYLIST:{}", clean(&list.title))?;
    for entry in &list.entries {
        let seconds = entry.duration_ms.map_or(-1, |milliseconds| (i64::from(milliseconds) + 500) / 1000);
        writeln!(writer, "#EXTINF:{seconds},{}", clean(&title(entry, "-")))?;
        writeln!(writer, "{}", place(entry))?;
    }
    Ok(())
}

/// The line of an entry's file in M3U8, or of its page. A path that a line of text cannot hold is written as an address.
fn place(entry: &PlaylistEntry) -> Cow<'_, str> {
    let Some(path) = &entry.location else { return clean(&entry.link) };
    let text = path.to_str().filter(|text| clean(text) == *text && text.trim() == *text);
    let Some(text) = text.filter(|_| !is_address(path)) else {
        return address(entry).into();
    };
    // A line that begins with # is a comment, and players take what stands before a colon for the scheme of an address.
    let first = text.split('/').next().unwrap_or_default();
    let is_misread = text.starts_with('#') || path.is_relative() && first.contains(':');
    if is_misread { format!("./{text}").into() } else { text.into() }
}

/// <https://www.xspf.org/spec>, version 1.
fn xspf(list: &Playlist, writer: &mut dyn Write) -> io::Result<()> {
    writeln!(writer, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(writer, "<playlist version=\"1\" xmlns=\"http://xspf.org/ns/0/\">")?;
    writeln!(writer, "  <title>{}</title>\n  <trackList>", escaped(&list.title))?;
    for entry in &list.entries {
        writeln!(writer, "    <track>")?;
        let mut element = |name: &str, text: &str| match text {
            "" => Ok(()),
            text => writeln!(writer, "      <{name}>{}</{name}>", escaped(text)),
        };
        element("location", &address(entry))?;
        element("title", &entry.name)?;
        element("creator", &entry.artist)?;
        element("annotation", &entry.reason)?;
        element("info", &entry.link)?;
        element("album", &entry.album)?;
        element("duration", &entry.duration_ms.map_or_else(String::new, |length| length.to_string()))?;
        writeln!(writer, "    </track>")?;
    }
    writeln!(writer, "  </trackList>\n</playlist>")
}

fn escaped(text: &str) -> String {
    clean(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// <https://www.xspf.org/jspf>.
fn jspf(list: &Playlist, writer: &mut dyn Write) -> io::Result<()> {
    let track = |entry: &PlaylistEntry| {
        let mut track = json!({
            "location": [address(entry)],
            "title": clean(&entry.name),
            "creator": clean(&entry.artist),
            "info": entry.link,
        });
        for (name, text) in [("annotation", &entry.reason), ("album", &entry.album)] {
            if !text.is_empty() {
                track[name] = json!(clean(text));
            }
        }
        if let Some(length) = entry.duration_ms {
            track["duration"] = json!(length);
        }
        track
    };
    let tracks: Vec<_> = list.entries.iter().map(track).collect();
    let playlist = json!({ "playlist": { "title": clean(&list.title), "track": tracks } });
    serde_json::to_writer_pretty(&mut *writer, &playlist)?;
    writeln!(writer)
}

fn csv(list: &Playlist, writer: &mut dyn Write) -> io::Result<()> {
    let mut rows = csv::Writer::from_writer(writer);
    rows.write_record(["artist", "name", "album", "duration_ms", "path", "link", "reason"])?;
    for entry in &list.entries {
        let length = entry.duration_ms.map_or_else(String::new, |length| length.to_string());
        let path = entry.location.as_deref().unwrap_or(Path::new("")).to_string_lossy();
        let cells = [&entry.artist, &entry.name, &entry.album, &length, &*path, &entry.link, &entry.reason];
        rows.write_record(cells.map(|cell| mark_formula(clean(cell).trim()).into_owned()))?;
    }
    rows.flush()
}

/// The characters of a path that are percent-encoded in a URL: all except ASCII letters, digits and `/-._~`.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The address of an entry's file, or its page. A relative path makes a relative address. Names that are not UTF-8 keep their bytes.
fn address(entry: &PlaylistEntry) -> String {
    let Some(path) = &entry.location else { return entry.link.clone() };
    if is_address(path) {
        return clean(&path.to_string_lossy()).into_owned();
    }
    let separator = |byte: &u8| if cfg!(windows) && *byte == b'\\' { b'/' } else { *byte };
    let bytes: Vec<u8> = path.as_os_str().as_encoded_bytes().iter().map(separator).collect();
    let encoded = percent_encode(&bytes, PATH);
    match path.is_absolute() {
        true if bytes.starts_with(b"/") => format!("file://{encoded}"),
        true => format!("file:///{encoded}"),
        false => encoded.to_string(),
    }
}
