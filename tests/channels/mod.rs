//! Stand-ins for what is told: an HTTP server that answers as the test likes, and a mail server, with TLS where wanted.

// Every test binary compiles this file for itself and uses its own part of it.
#![allow(dead_code, unreachable_pub, reason = "shared by several test binaries")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Request line and headers.
    pub head: String,
    pub body: Value,
    pub at: Instant,
}

/// How a request is answered; the head and its number from 0 are given.
type Answer = dyn Fn(&str, usize) -> Option<String> + Send + Sync;

/// A server on loopback until the process ends.
pub struct Http {
    pub url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    answer: Arc<Mutex<Arc<Answer>>>,
}

impl Http {
    /// `None` closes the connection without a word.
    pub fn new(answer: impl Fn(&str, usize) -> Option<String> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let answer: Arc<Mutex<Arc<Answer>>> = Arc::new(Mutex::new(Arc::new(answer)));
        let (list, answers) = (Arc::clone(&asked), Arc::clone(&answer));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { break };
                let (list, answers) = (Arc::clone(&list), Arc::clone(&answers));
                thread::spawn(move || serve(stream, &list, &answers));
            }
        });
        Self { url, asked, answer }
    }

    /// From now on it answers in this way.
    pub fn answers(&self, answer: impl Fn(&str, usize) -> Option<String> + Send + Sync + 'static) {
        *self.answer.lock().unwrap() = Arc::new(answer);
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, list: &Mutex<Vec<Asked>>, answers: &Mutex<Arc<Answer>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).is_ok_and(|n| n > 0) {
                continue;
            }
            return;
        }
        let lower = head.to_lowercase();
        let length = lower.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let number = {
            let mut list = list.lock().unwrap();
            let body = serde_json::from_slice(&body).unwrap_or_default();
            list.push(Asked { head: head.clone(), body, at: Instant::now() });
            list.len() - 1
        };
        let answer = Arc::clone(&answers.lock().unwrap());
        let Some(told) = answer(&head, number) else { return };
        // Whoever gave up waiting is not there to read it.
        if stream.write_all(told.as_bytes()).is_err() {
            return;
        }
    }
}

/// An answer with a body.
pub fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len())
}

/// How the mail server is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    Plain,
    Tls,
    StartTls,
}

/// A mail server on loopback; it keeps every line that it is told.
pub struct Mail {
    pub address: String,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Mail {
    /// `refuse` may answer a command in another way than with success.
    pub fn new(
        host: &str,
        wire: Wire,
        tls: Option<Arc<ServerConfig>>,
        refuse: impl Fn(&str, usize) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((host, 0)).unwrap();
        let address = format!("{host}:{}", listener.local_addr().unwrap().port());
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let (kept, refuse) = (Arc::clone(&lines), Arc::new(refuse));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { break };
                let (kept, refuse, tls) = (Arc::clone(&kept), Arc::clone(&refuse), tls.clone());
                thread::spawn(move || {
                    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
                    let secured = |stream| {
                        let config = tls.clone().expect("TLS needs a certificate");
                        StreamOwned::new(ServerConnection::new(config).unwrap(), stream)
                    };
                    match wire {
                        Wire::Plain => drop(speak(stream, false, true, &kept, &*refuse)),
                        Wire::Tls => drop(speak(secured(stream), false, true, &kept, &*refuse)),
                        Wire::StartTls => {
                            if let Some(stream) = speak(stream, true, true, &kept, &*refuse) {
                                speak(secured(stream), false, false, &kept, &*refuse);
                            }
                        }
                    }
                });
            }
        });
        Self { address, lines }
    }

    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }
}

/// Speaks SMTP; hands the stream back where TLS is to begin on it.
fn speak<S: Read + Write>(
    mut stream: S,
    offers_tls: bool,
    greets: bool,
    kept: &Mutex<Vec<String>>,
    refuse: &(dyn Fn(&str, usize) -> Option<String> + Send + Sync),
) -> Option<S> {
    if greets {
        stream.write_all(b"220 stand-in ESMTP\r\n").ok()?;
    }
    let mut is_data = false;
    loop {
        let mut line = Vec::new();
        let mut byte = [0];
        while !line.ends_with(b"\r\n") {
            if stream.read(&mut byte).ok()? == 0 {
                return None;
            }
            line.push(byte[0]);
        }
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        let number = {
            let mut kept = kept.lock().unwrap();
            kept.push(line.clone());
            kept.len() - 1
        };
        let told = if is_data {
            if line != "." {
                continue;
            }
            is_data = false;
            "250 taken".to_owned()
        } else if let Some(refusal) = refuse(&line, number) {
            refusal
        } else {
            match line.split(' ').next().unwrap_or_default().to_uppercase().as_str() {
                "EHLO" if offers_tls => "250-stand-in\r\n250 STARTTLS".to_owned(),
                "EHLO" => "250-stand-in\r\n250 AUTH PLAIN LOGIN".to_owned(),
                "STARTTLS" => {
                    stream.write_all(b"220 go on\r\n").ok()?;
                    return Some(stream);
                }
                "AUTH" => "235 welcome".to_owned(),
                "DATA" => {
                    is_data = true;
                    "354 go on".to_owned()
                }
                "QUIT" => "221 bye".to_owned(),
                _ => "250 fine".to_owned(),
            }
        };
        stream.write_all(format!("{told}\r\n").as_bytes()).ok()?;
        stream.flush().ok()?;
        if line == "QUIT" {
            return None;
        }
    }
}

/// A certificate for `localhost` and 127.0.0.2, signed by `ca.pem` in `dir`; `None` where there is no openssl.
pub fn certificate(dir: &Path) -> Option<Arc<ServerConfig>> {
    const SCRIPT: &str = "set -e
        new='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
        openssl req -x509 $new -keyout ca.key -out ca.pem -days 2 -subj /CN=ca
        openssl req $new -keyout key.pem -out leaf.csr -subj /CN=localhost
        echo 'subjectAltName=DNS:localhost,IP:127.0.0.2' > leaf.cnf
        openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out cert.pem -extfile leaf.cnf";
    let made = Command::new("bash").args(["-c", SCRIPT]).current_dir(dir).output().ok()?;
    if !made.status.success() {
        return None;
    }
    arena::http::install_tls();
    let chain = vec![CertificateDer::from_pem_file(dir.join("cert.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(dir.join("key.pem")).unwrap();
    Some(Arc::new(ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap()))
}
