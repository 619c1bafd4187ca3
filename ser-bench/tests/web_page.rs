//! The web demo as people use it, in a real Chromium without a window.
//!
//! Needs `chromedriver` and Chromium; without them the test is skipped, unless `REQUIRE_CHROMIUM` is set. With
//! `WEB_SCREENSHOTS` set to a folder, pictures of the page are left there.

#![allow(clippy::unwrap_used)] // a test may panic

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::key::Key;
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder, Locator};
use serde_json::{Value, json};
use support::{Server, recommend_songs, sample};

/// `chromedriver`, running until it is dropped.
struct Driver {
    process: Child,
    address: String,
}

impl Driver {
    fn start() -> Option<Self> {
        let mut process = Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).spawn().ok()?;
        let lines = BufReader::new(process.stdout.take()?).lines();
        let port = lines.map_while(Result::ok).find_map(|line| {
            let (_, port) = line.split_once("started successfully on port ")?;
            port.trim_end_matches('.').parse::<u16>().ok()
        })?;
        Some(Self { process, address: format!("http://127.0.0.1:{port}") })
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A command of Chromium's driver that is not part of WebDriver.
#[derive(Debug)]
struct ChromeCommand(&'static str, Value);

impl WebDriverCompatibleCommand for ChromeCommand {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.0))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.1.to_string()))
    }
}

struct Page {
    client: Client,
}

impl Page {
    /// Waits until a script gives something else than null or false, and gives that.
    async fn until(&self, what: &str, script: &str) -> Value {
        let begin = Instant::now();
        loop {
            let value = self.client.execute(script, vec![]).await.unwrap();
            if !value.is_null() && value != json!(false) {
                return value;
            }
            let problem = self.text("#problem").await;
            assert!(begin.elapsed() < Duration::from_secs(30), "{what} did not come; problem: {problem:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn text(&self, selector: &str) -> String {
        let script = "return document.querySelector(arguments[0])?.textContent ?? ''";
        self.client.execute(script, vec![json!(selector)]).await.unwrap().as_str().unwrap().to_string()
    }

    async fn click(&self, selector: &str) {
        self.client.find(Locator::Css(selector)).await.unwrap().click().await.unwrap();
    }

    async fn press(&self, key: Key) {
        let value = char::from(key);
        let keys = KeyActions::new("keyboard".to_string());
        let keys = keys.then(KeyAction::Down { value }).then(KeyAction::Up { value });
        self.client.perform_actions(keys).await.unwrap();
    }

    /// Sends a file through the file chooser.
    async fn upload(&self, path: &str) {
        self.client.find(Locator::Css("#file")).await.unwrap().send_keys(path).await.unwrap();
    }

    /// Forgets the last result, so that the next can be waited for.
    async fn forget(&self) {
        let script = "document.getElementById('mood').textContent = ''; document.getElementById('songs').replaceChildren(); \
                      document.getElementById('problem').textContent = ''";
        self.client.execute(script, vec![]).await.unwrap();
    }

    /// Mood, probabilities and songs as the page shows them, when they are there.
    async fn result(&self) -> Value {
        self.until(
            "a result",
            "const mood = document.getElementById('mood').textContent; \
             const songs = [...document.querySelectorAll('#songs li')].map((li) => \
                 [li.querySelector('a').textContent, li.querySelector('a').href, li.querySelector('.quiet').textContent]); \
             const bars = [...document.querySelectorAll('#probabilities li')].map((li) => li.innerText.replace(/\\s+/g, ' ')); \
             return mood && songs.length > 0 ? { mood, songs, bars } : null",
        )
        .await
    }

    async fn screenshot(&self, name: &str) {
        if let Some(folder) = std::env::var_os("WEB_SCREENSHOTS") {
            let size = "return document.documentElement.scrollHeight";
            let height = self.client.execute(size, vec![]).await.unwrap().as_u64().unwrap();
            let width = self.client.execute("return innerWidth", vec![]).await.unwrap().as_u64().unwrap();
            self.client.set_window_size(width as u32, height as u32 + 140).await.unwrap();
            self.client.execute("scrollTo(0, 0)", vec![]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(300)).await;
            let picture = self.client.screenshot().await.unwrap();
            std::fs::write(std::path::Path::new(&folder).join(name), picture).unwrap();
            self.client.set_window_size(width as u32, 900).await.unwrap();
        }
    }

    async fn chrome(&self, command: &'static str, body: Value) -> Value {
        self.client.issue_cmd(ChromeCommand(command, body)).await.unwrap()
    }

    /// What the console holds of warnings and errors, but for refusals that the page asked for.
    async fn faults(&self) -> Vec<String> {
        let log = self.chrome("se/log", json!({ "type": "browser" })).await;
        let messages =
            log.as_array().unwrap().iter().map(|entry| entry["message"].as_str().unwrap().to_string());
        let refused = |message: &String| {
            message.contains("/api/recognize")
                && (message.contains("status of 415") || message.contains("status of 422"))
        };
        messages.filter(|message| !refused(message)).collect()
    }
}

#[tokio::test]
async fn the_page_hears_shows_and_recommends() {
    let Some(driver) = Driver::start() else {
        assert!(std::env::var_os("REQUIRE_CHROMIUM").is_none(), "chromedriver must be installed");
        println!("skipped: there is no chromedriver");
        return;
    };
    let folder = tempfile::TempDir::new().unwrap();
    let microphone = sample().canonicalize().unwrap();
    let arguments = [
        "--headless=new".to_string(),
        // Chromium's sandbox refuses to run as root, as it must in containers.
        "--no-sandbox".to_string(),
        "--disable-gpu".to_string(),
        "--disable-dev-shm-usage".to_string(),
        "--disable-quic".to_string(),
        "--no-first-run".to_string(),
        "--disable-background-networking".to_string(),
        "--disable-component-update".to_string(),
        "--disable-sync".to_string(),
        "--autoplay-policy=no-user-gesture-required".to_string(),
        "--use-fake-device-for-media-stream".to_string(),
        "--use-fake-ui-for-media-stream".to_string(),
        format!("--use-file-for-fake-audio-capture={}", microphone.display()),
        format!("--user-data-dir={}", folder.path().join("profile").display()),
        "--window-size=1000,900".to_string(),
    ];
    let capabilities: Capabilities = serde_json::from_value(json!({
        "browserName": "chrome",
        "goog:chromeOptions": { "args": arguments },
        "goog:loggingPrefs": { "browser": "WARNING" },
    }))
    .unwrap();
    let client = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
        .capabilities(capabilities)
        .connect(&driver.address)
        .await
        .unwrap();
    let page = Page { client };
    let server = Server::start(&[]);
    page.client.goto(&server.address).await.unwrap();
    assert_eq!(page.client.title().await.unwrap(), "Voice, mood, music");

    // The sample gives what the command line gives.
    let expected = recommend_songs(&["--count", "5"]);
    page.click("#sample").await;
    let shown = page.result().await;
    assert_eq!(shown["mood"], expected["mood"]);
    for (shown, expected) in
        shown["songs"].as_array().unwrap().iter().zip(expected["songs"].as_array().unwrap())
    {
        let title =
            format!("{} – {}", expected["artist"].as_str().unwrap(), expected["name"].as_str().unwrap());
        assert_eq!(shown, &json!([title, expected["link"], expected["reason"]]));
    }
    for (bar, mood) in shown["bars"].as_array().unwrap().iter().zip(["Calm", "Happy", "Sad", "Energetic"]) {
        let percent = expected["probabilities"][mood].as_f64().unwrap() * 100.0;
        assert_eq!(bar, &json!(format!("{mood} {percent:.1} %")));
    }
    let loaded = "return [...document.querySelectorAll('#pictures img')].filter((i) => i.complete && i.naturalWidth > 0 && i.alt).length == 4";
    page.until("four pictures", loaded).await;
    assert!(page.text("#timing").await.contains("features and model"));
    page.screenshot("page.png").await;

    // A file, and the same clip in another format.
    page.forget().await;
    page.upload(microphone.to_str().unwrap()).await;
    assert_eq!(page.result().await["mood"], expected["mood"]);

    // Likes and dislikes change the list.
    let titles = || {
        page.until(
            "songs",
            "return [...document.querySelectorAll('#songs li > a')].map((a) => a.textContent)",
        )
    };
    let before = titles().await;
    page.click("#songs li:first-child .judge button:nth-child(2)").await;
    let first = before[0].as_str().unwrap();
    let gone = format!(
        "return ![...document.querySelectorAll('#songs li > a')].some((a) => a.textContent == {})",
        json!(first)
    );
    page.until("the disliked song's end", &gone).await;
    page.click("#songs li:nth-child(2) .judge button:first-child").await;
    page.until("a like", "return document.querySelector('.judge button[aria-pressed=true]') != null").await;
    page.click("#forget").await;
    page.until("the disliked song's return", &gone.replace("return !", "return ")).await;

    // Another strategy and another number.
    let script = "const s = document.getElementById('strategy'); s.value = 'journey'; s.dispatchEvent(new Event('change', {bubbles: true}))";
    page.client.execute(script, vec![]).await.unwrap();
    page.until(
        "a journey",
        "return document.querySelector('#songs .quiet').textContent.includes('song 1 of')",
    )
    .await;
    page.until("the journey's end", "return !document.getElementById('target-label').hidden").await;

    // What is no audio, neither for the server nor for the browser.
    let letter = folder.path().join("letter.wav");
    std::fs::write(&letter, "Dear Sir or Madam").unwrap();
    page.upload(letter.to_str().unwrap()).await;
    page.until("a problem", "return document.getElementById('problem').textContent.includes('no audio')")
        .await;

    // The microphone, which Chromium feeds from the sample.
    page.forget().await;
    page.click("#record").await;
    page.until(
        "recording",
        "return document.getElementById('record').getAttribute('aria-pressed') == 'true'",
    )
    .await;
    page.until("a level", "return document.getElementById('level').value > -59").await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    page.click("#record").await;
    page.result().await;
    assert!(page.text("#timing").await.contains("mono"));

    // Was this right? Answers stay here and leave as CSV.
    page.click("#feedback-moods button:nth-child(2)").await;
    let kept = page.until("an answer", "return JSON.parse(localStorage.getItem('answers'))").await;
    assert_eq!((kept.as_array().unwrap().len(), &kept[0]["said"]), (1, &json!("Happy")));
    let csv = "const done = arguments[0]; import('/feedback.js').then((module) => done(module.csv()))";
    let csv = page.client.execute_async(csv, vec![]).await.unwrap();
    let lines: Vec<&str> = csv.as_str().unwrap().lines().collect();
    assert_eq!(lines[0], "time,clip,recognised,said,Calm,Happy,Sad,Energetic");
    assert!(lines.len() == 2 && lines[1].contains(",your recording,"), "{lines:?}");

    // Live: readings come and are drawn.
    page.click("#live").await;
    page.until("live readings", "return Number(document.getElementById('live-now').dataset.readings) >= 4")
        .await;
    let drawn = "const c = document.getElementById('timeline'); \
                 return c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((x) => x > 0)";
    page.until("a timeline", drawn).await;
    page.until(
        "a mood",
        "return /Calm|Happy|Sad|Energetic/.test(document.getElementById('live-now').textContent)",
    )
    .await;
    page.click("#live").await;
    page.until("the end", "return document.getElementById('live').getAttribute('aria-pressed') == 'false'")
        .await;

    // By keyboard alone.
    page.client.refresh().await.unwrap();
    let mut reached = Vec::new();
    for _ in 0..12 {
        page.press(Key::Tab).await;
        reached.push(page.client.execute("return document.activeElement.id", vec![]).await.unwrap());
        if reached.ends_with(&[json!("sample")]) {
            page.press(Key::Enter).await;
            break;
        }
    }
    assert!(reached.contains(&json!("file")) && reached.contains(&json!("record")), "{reached:?}");
    page.result().await;
    let focused = page.client.execute("return document.activeElement.id", vec![]).await.unwrap();
    assert_eq!(focused, "result", "a screen reader goes on at the result");

    // A phone's width, in the dark.
    page.chrome(
        "goog/cdp/execute",
        json!({ "cmd": "Emulation.setEmulatedMedia",
        "params": { "features": [{ "name": "prefers-color-scheme", "value": "dark" }] } }),
    )
    .await;
    page.chrome(
        "goog/cdp/execute",
        json!({ "cmd": "Emulation.setDeviceMetricsOverride",
        "params": { "width": 375, "height": 800, "deviceScaleFactor": 1, "mobile": true } }),
    )
    .await;
    page.forget().await;
    page.click("#sample").await;
    page.result().await;
    page.until("four pictures", loaded).await;
    let overflow = page
        .client
        .execute("return document.documentElement.scrollWidth - innerWidth", vec![])
        .await
        .unwrap();
    assert_eq!(overflow, 0, "nothing sticks out at the side");
    let ground =
        page.client.execute("return getComputedStyle(document.body).backgroundColor", vec![]).await.unwrap();
    assert_eq!(ground, "rgb(19, 20, 23)");
    page.screenshot("phone-dark.png").await;

    assert_eq!(page.faults().await, Vec::<String>::new());
    page.client.close().await.unwrap();
}
