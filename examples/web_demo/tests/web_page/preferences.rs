//! Tests of invalid preferences and files, and of files that only the browser can decode.

use serde_json::json;

use crate::browser::Browser;
use crate::support::sample;

#[tokio::test]
async fn files_are_dropped_converted_or_refused_and_preferences_are_followed() {
    let microphone = sample().canonicalize().unwrap();
    let Some(browser) = Browser::open(&microphone).await else { return };
    let page = &browser.page;

    // Opus in WebM, the format in which browsers record. It is recorded in the page and then dropped.
    let drop = "const done = arguments[0]; \
        (async () => { \
            const stream = await navigator.mediaDevices.getUserMedia({ audio: true }); \
            const recorder = new MediaRecorder(stream, { mimeType: 'audio/webm;codecs=opus' }); \
            const parts = []; \
            recorder.ondataavailable = ({ data }) => { \
                if (data.size > 0) parts.push(data); \
                if (parts.length === 12 && recorder.state === 'recording') recorder.stop(); }; \
            recorder.onstop = () => { \
                stream.getTracks().forEach((track) => track.stop()); \
                const transfer = new DataTransfer(); \
                transfer.items.add(new File(parts, 'voice.webm', { type: 'audio/webm' })); \
                const event = new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true }); \
                document.querySelector('footer').dispatchEvent(event); \
                done(parts.length); \
            }; \
            recorder.start(250); \
        })().catch((error) => done(String(error)))";
    let parts = page.client.execute_async(drop, vec![]).await.unwrap();
    assert!(parts.as_u64().is_some_and(|parts| parts > 0), "{parts}");
    page.result().await;
    assert!(page.text("#timing").await.contains("48000 Hz"), "decoded by the server");
    page.until("the server's form of it", "return document.getElementById('player').duration > 1").await;

    let choose = |id: &str, value: &str| {
        let script = format!(
            "const field = document.getElementById('{id}'); field.value = '{value}'; \
             field.dispatchEvent(new Event('change', {{ bubbles: true }}))"
        );
        async move { page.client.execute(&script, vec![]).await.unwrap() }
    };
    let songs = |count: usize| format!("return document.querySelectorAll('#songs li').length === {count}");
    choose("count", "2").await;
    page.until("two songs", &songs(2)).await;
    choose("count", "50").await;
    page.until("more songs", "return document.querySelectorAll('#songs li').length > 10").await;
    let all =
        page.client.execute("return document.querySelectorAll('#songs li').length", vec![]).await.unwrap();
    choose("popularity", "80").await;
    let fewer = format!("const n = document.querySelectorAll('#songs li').length; return n > 0 && n < {all}");
    page.until("popular songs alone", &fewer).await;
    choose("year-from", "2100").await;
    page.until("no song", &songs(0)).await;
    assert_eq!(page.text("#songs-status").await, "No song matches these options.");
    choose("year-from", "").await;
    choose("popularity", "").await;
    choose("count", "5").await;
    page.until("five songs", &songs(5)).await;
    // The error of an invalid preference is shown beside its field. No request is sent. The error is removed when the preference is corrected.
    let told = |id: &str| format!("return document.getElementById('{id}-problem').textContent || null");
    for (id, value) in [("count", "51"), ("popularity", "101"), ("year-from", "1899")] {
        let before = page.text("#songs").await;
        choose(id, value).await;
        page.until("a word beside it", &told(id)).await;
        assert_eq!((page.text("#songs").await, page.text("#problem").await), (before, String::new()));
        choose(id, if id == "count" { "5" } else { "" }).await;
        page.until("its end", &format!("return document.getElementById('{id}-problem').textContent === ''"))
            .await;
    }
    choose("year-to", "1980").await;
    choose("year-from", "1990").await;
    page.until("years in order", &told("year-from")).await;
    choose("year-to", "").await;
    choose("year-from", "").await;
    for strategy in ["keep", "cheer-up", "balance", "journey"] {
        let before = page.text("#songs").await;
        page.click(&format!("#strategy-{strategy}")).await;
        let changed = format!("return document.getElementById('songs').textContent !== {}", json!(before));
        page.until(strategy, &changed).await;
    }

    // A file that is not audio removes the answer, also the second time.
    let letter = browser.folder.path().join("letter.wav");
    std::fs::write(&letter, "Dear Sir or Madam").unwrap();
    for _ in 0..2 {
        page.forget().await;
        page.upload(letter.to_str().unwrap()).await;
        page.until("no audio", "return document.getElementById('problem').textContent.includes('as audio')")
            .await;
        let cleared = "[...document.getElementById('answer').children].every((part) => part.hidden) \
                       && !document.getElementById('player').hasAttribute('src') && document.getElementById('player').networkState === 0";
        assert!(page.holds(cleared).await, "nothing of the last clip stays");
    }
    page.screenshot("error.png").await;

    // Nothing was loaded from other servers.
    let foreign = "return performance.getEntriesByType('resource').map((entry) => entry.name) \
                   .filter((name) => !name.startsWith(location.origin) && !name.startsWith('blob:') && !name.startsWith('data:'))";
    assert_eq!(page.client.execute(foreign, vec![]).await.unwrap(), json!([]));
    browser.close().await;
}
