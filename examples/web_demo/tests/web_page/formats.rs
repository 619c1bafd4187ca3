//! Tests real files of all formats that the page accepts. Skipped without `ffmpeg`, which makes them.

use crate::browser::Browser;
use crate::media::made;
use crate::support::sample;

/// File extensions, with the options of ffmpeg for the codec.
const KINDS: [(&str, &[&str]); 14] = [
    ("16.wav", &["-c:a", "pcm_s16le"]),
    ("float.wav", &["-c:a", "pcm_f32le", "-ar", "44100", "-ac", "2"]),
    ("mp3", &["-c:a", "libmp3lame", "-b:a", "128k"]),
    ("flac", &["-c:a", "flac"]),
    ("ogg", &["-c:a", "libvorbis"]),
    ("opus", &["-c:a", "libopus", "-ar", "48000"]),
    ("webm", &["-c:a", "libopus", "-ar", "48000"]),
    ("mka", &["-c:a", "flac"]),
    ("aac.m4a", &["-c:a", "aac"]),
    ("alac.m4a", &["-c:a", "alac"]),
    ("aac", &["-c:a", "aac"]),
    ("aiff", &["-c:a", "pcm_s16be"]),
    ("mp4", VIDEO),
    ("mov", VIDEO),
];
const VIDEO: &[&str] =
    &["-f", "lavfi", "-i", "color=c=gray:s=64x64:r=5", "-c:v", "mpeg4", "-c:a", "aac", "-shortest"];

#[tokio::test]
async fn every_kind_of_recording_is_heard_and_can_be_played() {
    let Some(browser) = Browser::open(&sample().canonicalize().unwrap()).await else { return };
    let page = &browser.page;
    page.click("#sample").await;
    let expected = page.result().await["mood"].clone();
    for (extension, arguments) in KINDS {
        let name = format!("voice.{extension}");
        let path = browser.folder.path().join(&name);
        if !made(&path, arguments) {
            continue;
        }
        page.forget().await;
        page.upload(path.to_str().unwrap()).await;
        let heard = page.result().await;
        assert_eq!(heard["mood"], expected, "{name}");
        assert!(page.text("#clip").await.starts_with(&name), "{}", page.text("#clip").await);
        // The browser plays the file itself, or the server converts it.
        page.until(
            &format!("a player with {name}"),
            "const { duration } = document.getElementById('player'); \
                    return duration > 4 && duration < 5 || !document.getElementById('unplayable').hidden",
        )
        .await;
        assert!(page.holds("document.getElementById('unplayable').hidden").await, "{name} cannot be played");
        page.click("#play").await;
        page.until(&format!("sound of {name}"), "return document.getElementById('player').currentTime > 0.2")
            .await;
        page.click("#play").await;
    }
    browser.close().await;
}
