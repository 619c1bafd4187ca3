//! Tests of files that are large, unusual or deleted, and of the player.

use serde_json::{Value, json};

use crate::answers::{LESS_SURE, change};
use crate::browser::{Browser, Page};
use crate::media::made;
use crate::support::{sample, wav};

async fn dropped(page: &Page, files: &str) {
    let script = format!(
        "const transfer = new DataTransfer(); ({files}).forEach((file) => transfer.items.add(file)); \
         document.querySelector('footer').dispatchEvent(new DragEvent('drop', {{ dataTransfer: transfer, bubbles: true, cancelable: true }}))"
    );
    page.run(&script).await;
}

fn problem(words: &str) -> String {
    format!("return document.getElementById('problem').textContent.includes({})", json!(words))
}

#[tokio::test]
async fn a_file_that_is_gone_is_told_and_one_that_was_heard_stays() {
    let microphone = sample().canonicalize().unwrap();
    let Some(browser) = Browser::open(&microphone).await else { return };
    let page = &browser.page;
    let path = browser.folder.path().join("voice.wav");
    std::fs::copy(&microphone, &path).unwrap();
    page.upload(path.to_str().unwrap()).await;
    page.result().await;
    // The file is deleted after it was recognised. Its pictures can still be drawn.
    std::fs::remove_file(&path).unwrap();
    page.click("#heard summary").await;
    page.until("pictures", "return document.querySelectorAll('#pictures img').length === 3").await;

    // The file is deleted after it was chosen.
    std::fs::copy(&microphone, &path).unwrap();
    page.run("addEventListener('change', (event) => event.stopImmediatePropagation(), { capture: true, once: true })").await;
    page.upload(path.to_str().unwrap()).await;
    std::fs::remove_file(&path).unwrap();
    page.run("document.getElementById('file').dispatchEvent(new Event('change'))").await;
    page.until("a reason", &problem("This file can't be read")).await;
    assert!(page.holds("document.getElementById('result').hidden").await);

    // A folder is dropped.
    let folder = browser.folder.path().join("songs");
    std::fs::create_dir(&folder).unwrap();
    page.forget().await;
    for kind in ["dragEnter", "dragOver", "drop"] {
        let data = json!({ "items": [], "files": [folder.to_str().unwrap()], "dragOperationsMask": 1 });
        let event = json!({ "cmd": "Input.dispatchDragEvent", "params": { "type": kind, "x": 300, "y": 300, "data": data } });
        page.chrome("goog/cdp/execute", event).await;
    }
    page.until("a reason", &problem("This file can't be read")).await;

    // Of several files, the first is recognised, and a notice says so.
    let fetched = "const done = arguments[0]; fetch('/sample.wav').then((response) => response.blob()).then((blob) => { window.sample = blob; done(); })";
    page.client.execute_async(fetched, vec![]).await.unwrap();
    page.forget().await;
    dropped(page, "['one.wav', 'two.wav'].map((name) => new File([window.sample], name))").await;
    page.result().await;
    assert!(page.text("#clip").await.starts_with("one.wav"), "{}", page.text("#clip").await);
    assert_eq!(page.text("#notice").await, "You gave 2 files. I heard only the first.");
    browser.close().await;
}

/// The browser converts a large file to a small one, so that its first ten minutes are recognised.
#[tokio::test]
async fn of_large_files_ten_minutes_are_heard_where_the_browser_can_decode_them() {
    let Some(browser) = Browser::open(&sample().canonicalize().unwrap()).await else { return };
    let page = &browser.page;
    let at = |name: &str| browser.folder.path().join(name);
    let heard = async |name: &str| -> (String, String) {
        page.forget().await;
        page.upload(at(name).to_str().unwrap()).await;
        page.result().await;
        (page.text("#clip").await, page.text("#notice").await)
    };
    // 24 MB in stereo: 125 s, of which the first 20 MB contain 104 s.
    let clip = std::fs::read(sample()).unwrap();
    let speech: Vec<i16> =
        clip[44..].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    let silence = std::iter::repeat(0);
    let mut file = wav(speech.iter().flat_map(|x| [*x, *x]).chain(silence).take(2 * 125 * 48_000), 48_000);
    file[22] = 2;
    file[28..32].copy_from_slice(&(4_u32 * 48_000).to_le_bytes());
    file[32] = 4;
    std::fs::write(at("stereo.wav"), file).unwrap();
    let (clip, notice) = heard("stereo.wav").await;
    assert!(clip == "stereo.wav, 2:05" && !notice.contains("large"), "{clip}: {notice}");

    // After the clip there is silence, which is recognised fast. The index of the video is at its end, so it cannot be read from its start
    // alone.
    let video = [
        "-f",
        "lavfi",
        "-i",
        "color=c=gray:s=128x128:r=15",
        "-af",
        "apad",
        "-t",
        "30",
        "-c:v",
        "rawvideo",
        "-pix_fmt",
        "rgb24",
        "-c:a",
        "aac",
    ];
    if made(&at("film.mov"), &video) {
        assert!(std::fs::metadata(at("film.mov")).unwrap().len() > 20_000_000);
        let (clip, notice) = heard("film.mov").await;
        assert!(clip.starts_with("film.mov, 30") && !notice.contains("large"), "{clip}: {notice}");
    }

    // A small file that only the browser can decode, and whose WAV file is too large at the usual sample rate.
    if made(&at("around.ogg"), &["-af", "apad", "-t", "500", "-ac", "6", "-c:a", "libvorbis", "-q:a", "0"]) {
        assert!(std::fs::metadata(at("around.ogg")).unwrap().len() < 20_000_000);
        let (clip, notice) = heard("around.ogg").await;
        assert!(clip == "around.ogg, 8:20" && !notice.contains("large"), "{clip}: {notice}");
    }

    // Only the start of a large file that only the server can decode is recognised, and a notice says so.
    if made(&at("large.aiff"), &["-af", "apad", "-t", "110", "-ar", "48000", "-ac", "2", "-c:a", "pcm_s16be"])
    {
        let (clip, notice) = heard("large.aiff").await;
        let is_told = notice.starts_with("The file is large. I heard only its first 1:44.");
        assert!(clip == "large.aiff, 1:44" && is_told, "{clip}: {notice}");
    }
    browser.close().await;
}

#[tokio::test]
async fn a_recording_that_ends_at_once_is_called_too_short() {
    let Some(browser) = Browser::open(&sample().canonicalize().unwrap()).await else { return };
    let page = &browser.page;
    let press = "const record = document.getElementById('record'); \
                 const watch = new MutationObserver(() => { if (record.dataset.state === 'on') { watch.disconnect(); record.click(); } }); \
                 watch.observe(record, { attributes: true }); record.click()";
    page.run(press).await;
    page.until("a reason", &problem("That was too short.")).await;
    assert_eq!(page.text("#record-text").await, "Record");
    let asked = "return performance.getEntriesByType('resource').filter((entry) => entry.name.includes('/api/recognize')).length";
    assert_eq!(page.run(asked).await, json!(0));
    browser.close().await;
}

#[tokio::test]
async fn what_is_not_sure_and_where_nobody_speaks_is_said() {
    let Some(browser) = Browser::open(&sample().canonicalize().unwrap()).await else { return };
    let page = &browser.page;
    // The file ends with six seconds of silence.
    let clip = std::fs::read(sample()).unwrap();
    let speech = clip[44..].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]]));
    let path = browser.folder.path().join("pause.wav");
    std::fs::write(&path, wav(speech.chain(std::iter::repeat_n(0, 6 * 22_050)), 22_050)).unwrap();
    page.upload(path.to_str().unwrap()).await;
    page.result().await;
    assert_eq!(page.text("#notice").await, "I heard no speech in the grey parts.");
    // The times of short stretches have tenths of seconds, so that start and end differ.
    let first = "return document.querySelector('#segments button').getAttribute('aria-label')";
    let first = page.run(first).await;
    assert!(
        first.as_str().is_some_and(
            |words| words.starts_with("0:00.0 to 0:00.") && !words.starts_with("0:00.0 to 0:00.0")
        ),
        "{first}"
    );

    // The same answer, but uncertain.
    change(page, LESS_SURE).await;
    page.forget().await;
    page.click("#sample").await;
    page.result().await;
    assert_eq!(page.text("#certainty").await, "Mostly, but I am not sure: 43%, then sad 26%");
    let dashed = "['#result', '#icon'].every((part) => getComputedStyle(document.querySelector(part)).borderTopStyle === 'dashed')";
    assert!(page.holds(dashed).await, "what is not sure looks so");

    // The waveform is clicked, and then moved through with keys.
    page.until("a player", "return document.getElementById('player').duration > 4").await;
    page.click("#wave").await;
    let at = "return document.getElementById('player').currentTime";
    page.until("half of it", "const { currentTime, paused, duration } = document.getElementById('player'); return !paused && currentTime >= 0.45 * duration").await;
    page.click("#play").await;
    page.run("document.getElementById('wave').focus()").await;
    let value = |name: &str| {
        format!("return Number(document.getElementById('wave').getAttribute('aria-value{name}'))")
    };
    for (key, place) in [("Home", "min"), ("ArrowRight", "max"), ("ArrowLeft", "min"), ("End", "max")] {
        let press = format!(
            "document.getElementById('wave').dispatchEvent(new KeyboardEvent('keydown', {{ key: '{key}', bubbles: true, cancelable: true }}))"
        );
        page.run(&press).await;
        let (now, expected): (Value, Value) = (page.run(&value("now")).await, page.run(&value(place)).await);
        assert!(
            (now.as_f64().unwrap() - expected.as_f64().unwrap()).abs() < 0.11,
            "{key}: {now}, {}",
            page.run(at).await
        );
    }
    // At the end, Play starts from the beginning.
    page.click("#play").await;
    page.until("the beginning", "const { currentTime, paused } = document.getElementById('player'); return !paused && currentTime < 2").await;
    browser.close().await;
}
