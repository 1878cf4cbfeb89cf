//! A client small enough to see every byte: HTTP/1.1 over one connection.

use std::fmt::Write as _;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use registry_mock::Server;
use serde_json::Value;

pub struct Client {
    stream: BufReader<TcpStream>,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    /// As far as it came.
    pub body: Vec<u8>,
    /// Why there is not more of it, if there should be.
    pub trouble: Option<io::ErrorKind>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Client {
    pub fn new(server: &Server) -> Self {
        let address = server.url().strip_prefix("http://").unwrap();
        let stream = TcpStream::connect(address).unwrap();
        // A test that waits for what never comes should say so.
        let patience = Some(Duration::from_secs(10));
        stream.set_read_timeout(patience).unwrap();
        Self {
            stream: BufReader::new(stream),
        }
    }

    pub fn get(&mut self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask("GET", path, headers).unwrap()
    }

    pub fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> io::Result<Answer> {
        let mut text = format!("{method} {path} HTTP/1.1\r\nhost: mock\r\n");
        for (name, value) in headers {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        text.push_str("\r\n");
        self.stream.get_mut().write_all(text.as_bytes())?;
        let mut answer = self.read_head()?;
        if method != "HEAD" && answer.status != 304 {
            self.read_body(&mut answer);
        }
        Ok(answer)
    }

    fn read_head(&mut self) -> io::Result<Answer> {
        let first = self.read_line()?;
        let status = first.split(' ').nth(1).and_then(|code| code.parse().ok());
        let mut headers = Vec::new();
        loop {
            let line = self.read_line()?;
            let Some((name, value)) = line.split_once(": ") else {
                break;
            };
            headers.push((name.to_lowercase(), value.to_owned()));
        }
        Ok(Answer {
            status: status.ok_or(io::ErrorKind::InvalidData)?,
            headers,
            body: Vec::new(),
            trouble: None,
        })
    }

    fn read_line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }

    /// Reads as much as the length promises; of a chunked body, the first MiB with its framing.
    fn read_body(&mut self, answer: &mut Answer) {
        let length = answer.header("content-length").map(|n| n.parse().unwrap());
        let wanted: u64 = length.unwrap_or(1 << 20);
        let result = (&mut self.stream)
            .take(wanted)
            .read_to_end(&mut answer.body);
        answer.trouble = match result {
            Err(error) => Some(error.kind()),
            Ok(_) if length.is_some() && (answer.body.len() as u64) < wanted => {
                Some(io::ErrorKind::UnexpectedEof)
            }
            Ok(_) => None,
        };
    }
}
