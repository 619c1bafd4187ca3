//! Tests of user actions at unusual moments, and of browsers that refuse features.

use serde_json::json;

use crate::answers::{held, hold, release, restore};
use crate::browser::Browser;
use crate::support::sample;

#[tokio::test]
async fn the_microphone_is_given_back_whatever_is_pressed_before_permission_comes() {
    let Some(browser) = Browser::open(&sample().canonicalize().unwrap()).await else { return };
    let page = &browser.page;
    // The test decides when the permission is given. All tracks of the microphone are collected.
    let slow = "window.tracks = []; window.waiting = []; \
                const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices); \
                navigator.mediaDevices.getUserMedia = async (constraints) => { \
                    await new Promise((go) => window.waiting.push(go)); \
                    const stream = await real(constraints); window.tracks.push(...stream.getTracks()); return stream; }; \
                window.permit = () => { window.waiting.forEach((go) => go()); window.waiting = []; }";
    page.client.execute(slow, vec![]).await.unwrap();
    let pending = |id: &str| {
        format!("return document.getElementById('{id}').textContent.startsWith('Waiting for permission')")
    };
    let ended =
        "return window.tracks.length > 0 && window.tracks.every((track) => track.readyState === 'ended')";

    // A second press cancels. If the browser gives access later, its stream is stopped.
    page.click("#record").await;
    page.until("a wait that is shown", &pending("record")).await;
    page.click("#record").await;
    page.client.execute("window.permit()", vec![]).await.unwrap();
    page.until("a microphone that is off", ended).await;
    assert_eq!(page.text("#record-text").await, "Record");

    // Live takes over the microphone from Record, and Record from Live.
    page.click("#record").await;
    page.until("a wait", &pending("record")).await;
    page.click("#live").await;
    page.until("a wait", &pending("live")).await;
    page.client.execute("window.permit()", vec![]).await.unwrap();
    page.until("live", "return document.getElementById('live').textContent === 'Stop live'").await;
    let one = "return window.tracks.filter((track) => track.readyState === 'live').length === 1";
    page.until("one use of the microphone", one).await;
    assert_eq!(page.text("#record-text").await, "Record");
    page.click("#record").await;
    page.until("a wait", &pending("record")).await;
    page.client.execute("window.permit()", vec![]).await.unwrap();
    page.until("a recording", "return document.getElementById('record').dataset.state === 'on'").await;
    page.until("one use of the microphone", one).await;
    assert_eq!(page.text("#live").await, "Listen live");
    // A file ends the recording.
    page.click("#sample").await;
    page.result().await;
    page.until("a microphone that is off", ended).await;
    browser.close().await;
}

#[tokio::test]
async fn a_late_answer_never_overwrites_a_newer_one() {
    let microphone = sample().canonicalize().unwrap();
    let Some(browser) = Browser::open(&microphone).await else { return };
    let page = &browser.page;
    // The answer to the first request comes last, although the page withdrew the request.
    hold(page, "/api/recognize", true).await;
    page.click("#sample").await;
    held(page, 1).await;
    restore(page).await;
    page.upload(microphone.to_str().unwrap()).await;
    page.result().await;
    release(page).await;
    assert!(page.holds("window.released === 1").await);
    assert!(page.text("#clip").await.starts_with("sample.wav"), "{}", page.text("#clip").await);
    assert_eq!(page.text("#status").await, "");
    browser.close().await;
}

#[tokio::test]
async fn the_page_works_in_another_language_without_storage_and_says_when_the_server_is_gone() {
    let Some(browser) = Browser::open(&sample().canonicalize().unwrap()).await else { return };
    let page = &browser.page;
    // A browser that blocks storage.
    let blocked = "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError'); } })";
    let add = json!({ "cmd": "Page.addScriptToEvaluateOnNewDocument", "params": { "source": blocked } });
    page.chrome("goog/cdp/execute", add).await;
    page.client.refresh().await.unwrap();
    page.language("de").await;
    assert_eq!(page.text("#record-text").await, "Aufnehmen");
    page.click("#sample").await;
    page.result().await;
    assert_eq!(page.text("#mood").await, "Ruhig");
    page.click("#songs li:first-child .like").await;
    page.until("a like", "return document.querySelector('.like[aria-pressed=true]') != null").await;
    let probabilities = page.text("#probabilities").await;
    assert!(probabilities.matches(',').count() == 4 && !probabilities.contains('.'), "{probabilities}");
    // Pictures are drawn again when the language changes.
    page.click("#heard summary").await;
    let drawn = |code: &str| {
        format!(
            "return document.querySelectorAll('#pictures img').length === 3 && performance.getEntriesByType('resource') \
                 .some((entry) => entry.name.includes('language={code}'))"
        )
    };
    page.until("German pictures", &drawn("de")).await;
    page.language("en").await;
    page.until("English pictures", &drawn("en")).await;
    page.language("de").await;
    // The texts of both languages have the same names and the same `{places}`.
    let tables = "const done = arguments[0]; Promise.all([import('/english.js'), import('/german.js')]).then(([{ english }, { german }]) => { \
                      const shape = (table) => JSON.stringify(Object.entries(table).map(([name, words]) => \
                          [name, [...words.matchAll(/\\{\\w+\\}/g)].map(String).sort()]).sort()); \
                      done(shape(english) === shape(german)); })";
    assert_eq!(page.client.execute_async(tables, vec![]).await.unwrap(), json!(true));

    // With a width of 320 pixels and forced colours, the page is not wider than the screen, and pressed buttons look different.
    page.media(&[("forced-colors", "active")]).await;
    page.narrow(320).await;
    page.fits("German, forced colours").await;
    let seen = "(() => { const of = (id) => getComputedStyle(document.querySelector(`label[for=strategy-${id}]`)).backgroundColor; \
                return of('balance') !== of('keep'); })()";
    assert!(page.holds(seen).await, "the pressed chip looks different");
    let bars = "(() => { const of = (part) => getComputedStyle(document.querySelector(part)).backgroundColor; \
                return of('.bar span') !== of('.bar'); })()";
    assert!(page.holds(bars).await, "bars are seen");

    // The server stops during live listening.
    let gone =
        |id: &str| format!("return document.getElementById('{id}').textContent.includes('antwortet nicht')");
    page.click("#live").await;
    page.until("live", "return Number(document.getElementById('live-now').dataset.readings) >= 1").await;
    browser.stop_server();
    page.until("a word", &gone("problem")).await;
    page.until("the end", "return document.getElementById('live').dataset.state === 'closed'").await;
    page.run("document.getElementById('problem').textContent = ''").await;
    page.click("#sample").await;
    page.until("a word", &gone("problem")).await;
}

#[tokio::test]
async fn songs_and_pictures_say_when_the_server_is_gone() {
    let Some(browser) = Browser::open(&sample().canonicalize().unwrap()).await else { return };
    let page = &browser.page;
    page.click("#sample").await;
    page.result().await;
    browser.stop_server();
    let gone =
        |id: &str| format!("return document.getElementById('{id}').textContent.includes('does not answer')");
    page.click("#strategy-keep").await;
    page.until("a word on songs", &gone("songs-problem")).await;
    page.click("#heard summary").await;
    page.until("a word on pictures", &gone("heard-status")).await;
    assert!(page.text("#clip").await.starts_with("the sample"), "the card stands");
}
