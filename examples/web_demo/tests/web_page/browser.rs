//! Runs the page in a real browser.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::key::Key;
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder, Locator};
use serde_json::{Value, json};

use crate::server::Server;

/// Longest time to wait for the page. An unoptimised server takes half a minute for ten minutes of speech, and longer while other tests
/// run.
const LIMIT: Duration = Duration::from_secs(150);

/// A `chromedriver` process, which is ended when this is dropped.
struct Driver {
    process: Child,
    address: String,
}

impl Driver {
    /// Starts the driver on a free port. Returns `None` if it is not installed.
    fn start() -> Option<Self> {
        for _ in 0..5 {
            let mut process =
                Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).spawn().ok()?;
            let lines = BufReader::new(process.stdout.take()?).lines();
            let port = lines.map_while(Result::ok).find_map(|line| {
                let (_, port) = line.split_once("started successfully on port ")?;
                port.trim_end_matches('.').parse::<u16>().ok()
            });
            if let Some(port) = port {
                return Some(Self { process, address: format!("http://127.0.0.1:{port}") });
            }
            // It listens on two addresses with one port. It ends if another program takes the second one first.
            eprintln!("chromedriver ended without a port: {:?}", process.wait());
        }
        panic!("chromedriver must start on a free port, got none in five attempts");
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // After SIGTERM it ends its browsers too. After SIGKILL, the browser of a failed test would continue to run.
        let asked = Command::new("kill").arg(self.process.id().to_string()).status();
        if !asked.is_ok_and(|status| status.success()) {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}

/// A command of chromedriver that is not part of WebDriver.
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

/// The page in the browser.
pub(crate) struct Page {
    pub(crate) client: Client,
}

impl Page {
    /// Waits until a script returns a value other than null or false, and returns this value.
    pub(crate) async fn until(&self, what: &str, script: &str) -> Value {
        let begin = Instant::now();
        loop {
            let value = self.client.execute(script, vec![]).await.unwrap();
            if !value.is_null() && value != json!(false) {
                return value;
            }
            if begin.elapsed() >= LIMIT {
                let problem = self.text("#problem").await + &self.text("#songs-problem").await;
                panic!("{what} did not come; problem: {problem:?}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) async fn text(&self, selector: &str) -> String {
        let script = "return document.querySelector(arguments[0])?.textContent ?? ''";
        self.client.execute(script, vec![json!(selector)]).await.unwrap().as_str().unwrap().to_string()
    }

    /// Clicks an element. If the page replaces the element before the click, finds it again.
    pub(crate) async fn click(&self, selector: &str) {
        let begin = Instant::now();
        loop {
            match self.client.find(Locator::Css(selector)).await.unwrap().click().await {
                Err(error) if error.is_stale_element_reference() && begin.elapsed() < LIMIT => {}
                clicked => return clicked.unwrap(),
            }
        }
    }

    pub(crate) async fn press(&self, key: Key) {
        let value = char::from(key);
        let keys = KeyActions::new("keyboard".to_string());
        let keys = keys.then(KeyAction::Down { value }).then(KeyAction::Up { value });
        self.client.perform_actions(keys).await.unwrap();
    }

    /// Chooses a file in the file input.
    pub(crate) async fn upload(&self, path: &str) {
        self.client.find(Locator::Css("#file")).await.unwrap().send_keys(path).await.unwrap();
    }

    /// Removes the last result from the page, so that a test can wait for the next one.
    pub(crate) async fn forget(&self) {
        let script = "document.getElementById('mood').textContent = ''; document.getElementById('songs').replaceChildren(); \
                      document.getElementById('problem').textContent = ''";
        self.client.execute(script, vec![]).await.unwrap();
    }

    /// Waits until the page shows a result, and returns its mood, probabilities and songs.
    pub(crate) async fn result(&self) -> Value {
        self.until(
            "a result",
            "const mood = document.getElementById('mood').textContent; \
             const songs = [...document.querySelectorAll('#songs li')].map((li) => \
                 [li.querySelector('a').firstChild.textContent, li.querySelector('a').href]); \
             const bars = [...document.querySelectorAll('#probabilities li')].map((li) => li.innerText.replace(/\\s+/g, ' ').trim()); \
             return mood && songs.length > 0 ? { mood, songs, bars } : null",
        )
        .await
    }

    /// Runs a script and returns its value.
    pub(crate) async fn run(&self, script: &str) -> Value {
        self.client.execute(script, vec![]).await.unwrap()
    }

    /// Emulates media features, such as `prefers-color-scheme` and `forced-colors`.
    pub(crate) async fn media(&self, features: &[(&str, &str)]) {
        let features: Vec<Value> =
            features.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        let media = json!({ "cmd": "Emulation.setEmulatedMedia", "params": { "features": features } });
        self.chrome("goog/cdp/execute", media).await;
    }

    /// Emulates a phone with a screen of this width in pixels.
    pub(crate) async fn narrow(&self, width: u32) {
        let size = json!({ "cmd": "Emulation.setDeviceMetricsOverride",
            "params": { "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": true } });
        self.chrome("goog/cdp/execute", size).await;
    }

    /// Asserts that the page is not wider than the screen.
    pub(crate) async fn fits(&self, state: &str) {
        let wide = self.run("return [document.documentElement.scrollWidth, innerWidth]").await;
        assert!(wide[0].as_u64() <= wide[1].as_u64(), "{state}: {wide}");
    }

    pub(crate) async fn language(&self, code: &str) {
        let select = self.client.find(Locator::Css("#language")).await.unwrap();
        select.select_by_value(code).await.unwrap();
    }

    /// Returns whether an expression is true now.
    pub(crate) async fn holds(&self, expression: &str) -> bool {
        self.client.execute(&format!("return Boolean({expression})"), vec![]).await.unwrap() == json!(true)
    }

    pub(crate) async fn screenshot(&self, name: &str) {
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

    pub(crate) async fn chrome(&self, command: &'static str, body: Value) -> Value {
        self.client.issue_cmd(ChromeCommand(command, body)).await.unwrap()
    }

    /// Returns the warnings and errors in the console, except for those of HTTP errors that a test causes on purpose.
    pub(crate) async fn faults(&self) -> Vec<String> {
        let log = self.chrome("se/log", json!({ "type": "browser" })).await;
        let messages =
            log.as_array().unwrap().iter().map(|entry| entry["message"].as_str().unwrap().to_string());
        let refused = |message: &String| {
            let status = |code: &str| message.contains(&format!("status of {code}"));
            message.contains("/api/recognize") && ["413", "415", "422"].into_iter().any(status)
        };
        messages.filter(|message| !refused(message)).collect()
    }
}

/// A browser that shows the page.
pub(crate) struct Browser {
    pub(crate) page: Page,
    /// Folder for files of the test and for downloads.
    pub(crate) folder: tempfile::TempDir,
    server: Server,
    _driver: Driver,
}

impl Browser {
    /// Opens the page in Chromium, with a WAV file that is played repeatedly as the microphone. Returns `None` if there is no driver.
    pub(crate) async fn open(microphone: &Path) -> Option<Self> {
        Self::open_with(microphone, &[]).await
    }

    /// Like [`open`](Self::open), with options for the server.
    pub(crate) async fn open_with(microphone: &Path, options: &[&str]) -> Option<Self> {
        let Some(driver) = Driver::start() else {
            assert!(std::env::var_os("REQUIRE_CHROMIUM").is_none(), "chromedriver must be installed");
            println!("skipped: there is no chromedriver");
            return None;
        };
        let folder = tempfile::TempDir::new().unwrap();
        let arguments = [
            "--headless=new".to_string(),
            // Tests in containers run as root, and Chromium's sandbox refuses to run as root.
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
            "--window-size=1280,900".to_string(),
            "--lang=en-US".to_string(),
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
        let downloads = json!({ "behavior": "allow", "downloadPath": folder.path().to_str().unwrap() });
        page.chrome("goog/cdp/execute", json!({ "cmd": "Browser.setDownloadBehavior", "params": downloads }))
            .await;
        let server = Server::start(options);
        page.client.goto(&server.address).await.unwrap();
        Some(Self { page, folder, server, _driver: driver })
    }

    /// Waits for a download and returns its text.
    pub(crate) async fn downloaded(&self, name: &str) -> String {
        let path = self.folder.path().join(name);
        let begin = Instant::now();
        while !path.exists() {
            assert!(begin.elapsed() < LIMIT, "{name} was not downloaded");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        std::fs::read_to_string(path).unwrap()
    }

    /// Kills the server while the page is open.
    pub(crate) fn stop_server(&self) {
        let id = self.server.process.id().to_string();
        assert!(Command::new("kill").args(["-KILL", &id]).status().unwrap().success());
    }

    /// Closes the browser, and asserts that the console has no warnings or errors.
    pub(crate) async fn close(self) {
        assert_eq!(self.page.faults().await, Vec::<String>::new());
        self.page.client.close().await.unwrap();
    }
}

/// Returns a script that returns whether a canvas has a drawing. The script reads a copy of the canvas, because Chromium warns if a canvas
/// of the page is read repeatedly.
pub(crate) fn is_drawn(id: &str) -> String {
    format!(
        "const canvas = document.getElementById('{id}'); \
         if (canvas.width === 0 || canvas.height === 0) return false; \
         const copy = Object.assign(document.createElement('canvas'), {{ width: canvas.width, height: canvas.height }}); \
         const context = copy.getContext('2d', {{ willReadFrequently: true }}); \
         context.drawImage(canvas, 0, 0); \
         return context.getImageData(0, 0, copy.width, copy.height).data.some((x) => x > 0)"
    )
}
