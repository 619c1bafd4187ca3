//! Wishes and files that the page cannot meet, and those that only the browser can read.

use serde_json::json;

use crate::browser::Browser;
use crate::support::{sample, wav};

#[tokio::test]
async fn files_are_dropped_converted_or_refused_and_wishes_are_followed() {
    let microphone = sample().canonicalize().unwrap();
    let Some(browser) = Browser::open(&microphone).await else { return };
    let page = &browser.page;

    // Opus in WebM, as browsers record: recorded here, then dropped.
    let drop = "const done = arguments[0]; \
        (async () => { \
            const stream = await navigator.mediaDevices.getUserMedia({ audio: true }); \
            const recorder = new MediaRecorder(stream, { mimeType: 'audio/webm;codecs=opus' }); \
            const parts = []; \
            recorder.ondataavailable = (event) => parts.push(event.data); \
            recorder.onstop = () => { \
                stream.getTracks().forEach((track) => track.stop()); \
                const transfer = new DataTransfer(); \
                transfer.items.add(new File(parts, 'voice.webm', { type: 'audio/webm' })); \
                const event = new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true }); \
                document.getElementById('drop').dispatchEvent(event); \
                done(parts.length); \
            }; \
            recorder.start(); \
            setTimeout(() => recorder.stop(), 2500); \
        })().catch((error) => done(String(error)))";
    let parts = page.client.execute_async(drop, vec![]).await.unwrap();
    assert!(parts.as_u64().is_some_and(|parts| parts > 0), "{parts}");
    page.result().await;
    assert!(page.text("#timing").await.contains("48000 Hz"), "decoded by the server");

    // Wishes.
    let wish = |id: &str, value: &str| {
        let script = format!(
            "const wish = document.getElementById('{id}'); wish.value = '{value}'; \
             wish.dispatchEvent(new Event('change', {{ bubbles: true }}))"
        );
        async move { page.client.execute(&script, vec![]).await.unwrap() }
    };
    let songs = |count: usize| format!("return document.querySelectorAll('#songs li').length === {count}");
    wish("count", "2").await;
    page.until("two songs", &songs(2)).await;
    wish("count", "50").await;
    page.until("more songs", "return document.querySelectorAll('#songs li').length > 10").await;
    let all =
        page.client.execute("return document.querySelectorAll('#songs li').length", vec![]).await.unwrap();
    wish("popularity", "80").await;
    let fewer = format!("const n = document.querySelectorAll('#songs li').length; return n > 0 && n < {all}");
    page.until("popular songs alone", &fewer).await;
    wish("year-from", "2100").await;
    page.until("no song", &songs(0)).await;
    assert_eq!(page.text("#songs-status").await, "No song passes these wishes.");
    wish("year-from", "").await;
    wish("popularity", "").await;
    wish("count", "5").await;
    page.until("five songs", &songs(5)).await;
    for strategy in ["keep", "cheer-up", "journey", "balance"] {
        let before = page.text("#songs").await;
        wish("strategy", strategy).await;
        let changed = format!("return document.getElementById('songs').textContent !== {}", json!(before));
        page.until(strategy, &changed).await;
    }

    // Files that are too much.
    let long = browser.folder.path().join("long.wav");
    let minute = (0..61 * 8_000).map(|n| (n % 50 * 100) as i16);
    std::fs::write(&long, wav(minute, 8_000)).unwrap();
    let problem =
        |words: &str| format!("return document.getElementById('problem').textContent.includes('{words}')");
    page.upload(long.to_str().unwrap()).await;
    page.until("too long", &problem("too long")).await;
    let large = browser.folder.path().join("large.wav");
    std::fs::write(&large, vec![0; 20_000_001]).unwrap();
    page.upload(large.to_str().unwrap()).await;
    page.until("too large", &problem("20 MB at most")).await;

    // Nothing came from elsewhere.
    let foreign = "return performance.getEntriesByType('resource').map((entry) => entry.name) \
                   .filter((name) => !name.startsWith(location.origin) && !name.startsWith('blob:') && !name.startsWith('data:'))";
    assert_eq!(page.client.execute(foreign, vec![]).await.unwrap(), json!([]));
    browser.close().await;
}
