//! Tests of exports, stored data, and events that happen at the same time.

use fantoccini::Locator;
use serde_json::json;

use crate::answers::{held, hold, release, restore};
use crate::browser::{Browser, Page};
use crate::support::{recommend_songs, sample, wav};

async fn clipboard(page: &Page) -> String {
    let read = "const done = arguments[0]; navigator.clipboard.readText().then(done, (error) => done(String(error)))";
    page.client.execute_async(read, vec![]).await.unwrap().as_str().unwrap().to_string()
}

/// Returns the samples of the bundled clip, at 22,050 Hz.
fn speech() -> Vec<i16> {
    let clip = std::fs::read(sample()).unwrap();
    clip[44..].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
}

#[tokio::test]
async fn the_list_is_copied_linked_and_saved() {
    let Some(browser) = Browser::open(&sample().canonicalize().unwrap()).await else { return };
    let page = &browser.page;
    let grant = json!({ "cmd": "Browser.grantPermissions",
        "params": { "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"] } });
    page.chrome("goog/cdp/execute", grant).await;
    page.click("#sample").await;
    let shown = page.result().await;

    page.click("#copy").await;
    page.until(
        "a word",
        "return document.getElementById('exports-status').textContent === 'The list is copied.'",
    )
    .await;
    let list = clipboard(page).await;
    let titles: Vec<&str> =
        shown["songs"].as_array().unwrap().iter().map(|song| song[0].as_str().unwrap()).collect();
    assert_eq!(list.lines().count(), titles.len());
    for (line, title) in list.lines().zip(&titles) {
        assert!(line.ends_with(&format!(" – {title}")), "{line}");
    }

    page.click("#strategy-journey").await;
    page.until("a journey", "return document.querySelectorAll('#journey .stop').length === 5").await;
    page.click("#link").await;
    page.until(
        "a word",
        "return document.getElementById('exports-status').textContent.startsWith('The link is copied.')",
    )
    .await;
    let link = clipboard(page).await;
    let mood = shown["mood"].as_str().unwrap();
    assert!(link.ends_with(&format!("/#mood={mood}&strategy=journey&target=Happy")), "{link}");
    page.click("#strategy-balance").await;
    page.until("the list", "return document.getElementById('journey').hidden").await;

    for (format, begin) in [("M3U8", "#EXTM3U"), ("XSPF", "<?xml"), ("CSV", "artist,name,")] {
        page.click(&format!("#downloads [aria-label='Save as {format}']")).await;
        let file = browser.downloaded(&format!("songs.{}", format.to_lowercase())).await;
        assert!(file.starts_with(begin), "{file}");
        // XML escapes some characters of titles.
        assert!(format == "XSPF" || titles.iter().all(|title| file.contains(title)), "{file}");
    }

    // The link leads to the same mood and strategy.
    page.client.goto(&link).await.unwrap();
    page.client.refresh().await.unwrap();
    page.until("a journey", "return document.querySelectorAll('#journey .stop').length === 5").await;
    assert_eq!(page.text("#mood").await, mood);
    browser.close().await;
}

#[tokio::test]
async fn a_link_is_not_kept_and_a_like_survives_hiding() {
    let Some(browser) = Browser::open(&sample().canonicalize().unwrap()).await else { return };
    let page = &browser.page;
    page.click("#sample").await;
    page.result().await;
    page.click("#strategy-cheer-up").await;
    let checked = |id: &str| format!("return document.getElementById('strategy-{id}').checked");
    let link = "location.hash = 'mood=Sad&strategy=keep'";
    page.client.execute(link, vec![]).await.unwrap();
    page.until("the link's strategy", &checked("keep")).await;
    page.until("its mood", "return document.getElementById('mood').textContent === 'Sad'").await;
    page.click("#sample").await;
    page.result().await;
    page.until("one's own strategy", &checked("cheer-up")).await;
    page.client.execute(link, vec![]).await.unwrap();
    page.until("the link's strategy", &checked("keep")).await;
    page.client.execute("location.hash = ''", vec![]).await.unwrap();
    page.client.refresh().await.unwrap();
    page.until("one's own strategy", &checked("cheer-up")).await;

    // A liked song is hidden. When it is shown again, it is still liked.
    page.click("#sample").await;
    page.result().await;
    let first = page.text("#songs li:first-child a").await;
    page.click("#songs li:first-child .like").await;
    let is_first = format!("return document.querySelector('#songs li a').textContent === {}", json!(first));
    page.until(
        "a like",
        "return document.querySelector('#songs li:first-child .like[aria-pressed=true]') != null",
    )
    .await;
    page.until("the liked song first", &is_first).await;
    page.click("#songs li:first-child .hide").await;
    page.until("the way back", "return document.activeElement.id === 'undo-button'").await;
    // The message changes with the language.
    page.client.find(Locator::Css("#language")).await.unwrap().select_by_value("de").await.unwrap();
    assert!(
        page.text("#undo-text").await.ends_with("ist ausgeblendet."),
        "{}",
        page.text("#undo-text").await
    );
    assert!(page.text("#songs-status").await.contains("Lieder für"), "{}", page.text("#songs-status").await);
    page.client.find(Locator::Css("#language")).await.unwrap().select_by_value("en").await.unwrap();
    page.click("#undo-button").await;
    page.until("the song", &is_first).await;
    assert!(page.holds("document.querySelector('#songs li:first-child .like[aria-pressed=true]')").await);

    // A new recording removes the list while a song is being hidden. Undo is not offered.
    hold(page, "/api/recommend", false).await;
    page.click("#songs li:first-child .hide").await;
    held(page, 1).await;
    page.click("#sample").await;
    held(page, 2).await;
    release(page).await;
    page.result().await;
    assert!(page.holds("document.getElementById('undo').hidden").await);
    assert!(page.holds("document.activeElement.id === 'result'").await, "the focus stays at the result");
    browser.close().await;
}

#[tokio::test]
async fn whatever_stands_in_the_browsers_storage_the_page_works() {
    let Some(browser) = Browser::open(&sample().canonicalize().unwrap()).await else { return };
    let page = &browser.page;
    let kept = |name: &str, value: &str| {
        let script = format!("localStorage.setItem('voice-mood-music.{name}', arguments[0])");
        let value = json!(value);
        async move { page.client.execute(&script, vec![value]).await.unwrap() }
    };
    let long: Vec<_> = (0..300).map(|n| json!([format!("{n} {}", "ü".repeat(300)), "a title"])).collect();
    let long = json!(long).to_string();
    let cases = [
        [
            r#"{"filters": null, "strategy": 5}"#,
            "[1, [\"a\"], null]",
            "[[1, 2], [\"a\", {}]]",
            "[null, 3, {}]",
        ],
        [r#"{"filters": {"count": "many", "year-from": 3000}, "target": null}"#, "{}", "5", "{"],
        [
            "[]",
            &long,
            &long,
            r#"[{"time": "", "clip": "=1", "recognised": "Sad", "said": "Sad", "probabilities": 3}]"#,
        ],
    ];
    for values in cases {
        for (name, value) in ["preferences", "liked", "hidden", "answers"].into_iter().zip(values) {
            kept(name, value).await;
        }
        kept("language", "\"xx\"").await;
        // Values of another program at the same address.
        page.client
            .execute(
                "localStorage.setItem('preferences', '7'); localStorage.setItem('language', '\"de\"')",
                vec![],
            )
            .await
            .unwrap();
        page.client.refresh().await.unwrap();
        page.click("#sample").await;
        page.result().await;
        assert_eq!(page.text("#record-text").await, "Record");
        assert_eq!(page.text("#songs-problem").await, "");
        page.click("#feedback-moods button").await;
        let csv = "const done = arguments[0]; import('/feedback.js').then((module) => done(module.csv()))";
        let csv = page.client.execute_async(csv, vec![]).await.unwrap();
        assert!(csv.as_str().unwrap().lines().count() >= 2, "{csv}");
    }
    browser.close().await;
}

#[tokio::test]
async fn a_recording_ends_at_silence_and_what_a_lost_microphone_heard_is_heard() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("voice.wav");
    let silence = std::iter::repeat_n(0, 4 * 22_050);
    std::fs::write(&path, wav(speech().into_iter().chain(silence), 22_050)).unwrap();
    let Some(browser) = Browser::open(&path).await else { return };
    let page = &browser.page;
    page.click("#record").await;
    page.until("a recording", "return document.getElementById('record').dataset.state === 'on'").await;
    page.result().await;
    assert!(page.text("#clip").await.starts_with("your recording"), "{}", page.text("#clip").await);
    // The silence that ended the recording is not mentioned.
    assert_eq!(page.text("#notice").await, "");
    assert_eq!(page.text("#record-text").await, "Record");

    // The microphone is unplugged while it records.
    let watch = "const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices); \
                 navigator.mediaDevices.getUserMedia = async (constraints) => { \
                     const stream = await real(constraints); window.track = stream.getAudioTracks()[0]; return stream; }";
    page.client.execute(watch, vec![]).await.unwrap();
    page.forget().await;
    page.click("#record").await;
    let loud = "return document.getElementById('record').dataset.state === 'on' && Number(document.getElementById('level').value) > -40 \
                && document.getElementById('clock').textContent >= '0:01'";
    page.until("a sound", loud).await;
    page.client
        .execute("window.track.stop(); window.track.dispatchEvent(new Event('ended'))", vec![])
        .await
        .unwrap();
    page.until("its end", "return document.getElementById('record').dataset.state === 'closed'").await;
    page.until("an answer or a reason", "return document.getElementById('mood').textContent || document.getElementById('problem').textContent").await;
    // The page shows an answer with a notice, or a problem if there was no speech yet.
    let (notice, problem) = (page.text("#notice").await, page.text("#problem").await);
    let is_told = notice.starts_with("The microphone was unplugged") || !problem.is_empty();
    assert!(is_told, "{notice:?}, {problem:?}, {:?}", page.text("#clip").await);
    browser.close().await;
}

#[tokio::test]
async fn a_microphone_that_is_refused_or_cannot_be_used_is_told() {
    let Some(browser) = Browser::open(&sample().canonicalize().unwrap()).await else { return };
    let page = &browser.page;
    let told = |words: &str| {
        format!("return document.getElementById('problem').textContent.includes({})", json!(words))
    };
    for (fault, words) in [
        (
            "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'NotAllowedError'); }",
            "does not let this page use the microphone",
        ),
        (
            "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'NotFoundError'); }",
            "No microphone was found",
        ),
        (
            "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'NotReadableError'); }",
            "Does another program use it?",
        ),
        (
            "delete navigator.mediaDevices.getUserMedia; AudioWorklet.prototype.addModule = async () => { throw new DOMException('', 'AbortError'); }",
            "Is it still running?",
        ),
    ] {
        page.client.execute(fault, vec![]).await.unwrap();
        for (button, name) in [("#record", "Record"), ("#live", "Listen live")] {
            page.forget().await;
            page.click(button).await;
            page.until(words, &told(words)).await;
            assert_eq!(page.text(button).await.trim(), name);
            assert!(page.holds("document.getElementById('loudness').hidden").await);
        }
    }
    browser.close().await;
}

#[tokio::test]
async fn what_comes_late_is_too_late_and_dropped_text_is_left_alone() {
    let microphone = sample().canonicalize().unwrap();
    let Some(browser) = Browser::open(&microphone).await else { return };
    let page = &browser.page;
    // The sample arrives after a file that was chosen later.
    hold(page, "/sample.wav", true).await;
    page.click("#sample").await;
    held(page, 1).await;
    page.upload(microphone.to_str().unwrap()).await;
    page.result().await;
    release(page).await;
    assert!(page.text("#clip").await.starts_with("sample.wav"), "{}", page.text("#clip").await);
    restore(page).await;

    let dropped = "const transfer = new DataTransfer(); transfer.setData('text/plain', 'a word'); \
                   return ['dragover', 'drop'].map((kind) => { \
                       const event = new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true }); \
                       document.querySelector('footer').dispatchEvent(event); return event.defaultPrevented; })";
    assert_eq!(page.client.execute(dropped, vec![]).await.unwrap(), json!([false, false]));

    // With a slow server, live listening has fewer readings, and each covers a longer time.
    let slow = "const fast = window.fetch; window.fetch = async (address, request) => { \
                    await new Promise((go) => setTimeout(go, 1700)); return fast(address, request); }; \
                document.getElementById('live-now').dataset.readings = '0'";
    page.client.execute(slow, vec![]).await.unwrap();
    page.click("#live").await;
    page.until("readings", "return Number(document.getElementById('live-now').dataset.readings) >= 4").await;
    assert!(page.holds("!document.getElementById('loudness').hidden").await, "live shows a level");
    let end = "return Number(document.querySelector('#live-text li:last-child').textContent.match(/to 0:(\\d\\d)/)[1])";
    let end = page.client.execute(end, vec![]).await.unwrap();
    assert!(end.as_u64().is_some_and(|seconds| seconds >= 5), "four readings in 2 s each end at {end} s");
    page.click("#live").await;
    browser.close().await;
}

#[tokio::test]
async fn the_first_ten_minutes_fit_a_phone_and_every_stretch_stands_below_its_part() {
    let Some(browser) = Browser::open(&sample().canonicalize().unwrap()).await else { return };
    let page = &browser.page;
    let long = browser.folder.path().join("long.wav");
    let half: Vec<i16> = speech().into_iter().step_by(2).collect();
    std::fs::write(&long, wav(half.into_iter().cycle().take(601 * 11_025), 11_025)).unwrap();
    page.narrow(320).await;
    page.upload(long.to_str().unwrap()).await;
    page.result().await;
    assert_eq!(page.text("#clip").await, "long.wav, 10:00");
    let notice = page.text("#notice").await;
    assert!(notice.starts_with("The recording is long. I heard only its first ten minutes."), "{notice}");
    let places = "const box = document.getElementById('wave').getBoundingClientRect(); \
                  return [...document.querySelectorAll('#segments button')].map((button) => { \
                      const { left, right } = button.getBoundingClientRect(); \
                      const [start, end] = button.getAttribute('aria-label').match(/\\d+:\\d\\d/g).map((time) => { \
                          const [minutes, seconds] = time.split(':').map(Number); return 60 * minutes + seconds; }); \
                      return [left - box.left - start / 600 * box.width, right - box.left - end / 600 * box.width]; })";
    let places = page.client.execute(places, vec![]).await.unwrap();
    let places = places.as_array().unwrap();
    assert!(places.len() > 40, "{} stretches", places.len());
    for place in places {
        for away in place.as_array().unwrap() {
            assert!(away.as_f64().is_some_and(|pixels| pixels.abs() <= 1.0), "{place}");
        }
    }
    assert!(page.holds("document.documentElement.scrollWidth <= innerWidth").await, "nothing sticks out");

    // The player stops at the end of the recognised part.
    let last = "const player = document.getElementById('player'); player.currentTime = 599.5; document.getElementById('play').click()";
    page.until("a player", "return document.getElementById('player').duration > 600.5").await;
    page.run(last).await;
    page.until("its start", "return document.getElementById('player').currentTime > 599.6").await;
    page.until("its end", "return document.getElementById('player').paused").await;
    assert!(page.holds("document.getElementById('player').currentTime < 600.7").await);
    assert_eq!(page.text("#place").await, "10:00");

    // A journey's letters keep their size.
    page.click("#strategy-journey").await;
    page.until("a journey", "return document.querySelectorAll('#journey .stop').length === 5").await;
    let letters = "(() => { const text = document.querySelector('#journey text'); \
                   return parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a >= 11; })()";
    assert!(page.holds(letters).await);
    assert!(page.holds("document.documentElement.scrollWidth <= innerWidth").await, "nothing sticks out");
    browser.close().await;
}

#[tokio::test]
async fn another_model_hears_the_recording_again_and_one_alone_is_no_choice() {
    let microphone = sample().canonicalize().unwrap();
    let Some(browser) = Browser::open_with(&microphone, &["--also", "small"]).await else { return };
    let page = &browser.page;
    page.until("the models", "return !document.getElementById('model-choice').hidden").await;
    page.click("#sample").await;
    for model in ["voices", "small", "voices"] {
        let choose = "const field = document.getElementById('model'); field.value = arguments[0]; \
                      field.dispatchEvent(new Event('change', { bubbles: true }))";
        page.forget().await;
        page.client.execute(choose, vec![json!(model)]).await.unwrap();
        let shown = page.result().await;
        let expected = recommend_songs(&["--model", model]);
        for (bar, mood) in shown["bars"].as_array().unwrap().iter().zip(["Calm", "Happy", "Sad", "Energetic"])
        {
            let percent = expected["probabilities"][mood].as_f64().unwrap() * 100.0;
            assert_eq!(bar, &json!(format!("{mood} {percent:.1}%")), "{model}");
        }
    }
    browser.close().await;
    let Some(browser) = Browser::open(&microphone).await else { return };
    let page = &browser.page;
    page.click("#sample").await;
    page.result().await;
    assert!(page.holds("document.getElementById('model-choice').hidden").await);
    browser.close().await;
}
