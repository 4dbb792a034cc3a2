//! Mail over SMTP. Each message has a connection of its own: they are few, and a server drops one that is idle.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use lettre::message::{Mailbox, Message as Mail, header};
use lettre::transport::smtp::authentication::Credentials;
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use secrecy::{ExposeSecret, SecretString};

use super::webhook::PATIENCE;
use super::{Channel, Message, SendError};
use crate::config::{EmailConfig, SmtpSecurity};

/// See the module.
pub(super) struct Email {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
    place: String,
}

impl Email {
    pub(super) fn new(config: &EmailConfig, login: Option<(String, SecretString)>) -> Result<Self, String> {
        crate::http::install_tls();
        let host = config.host.trim_start_matches('[').trim_end_matches(']');
        let builder = match config.security {
            SmtpSecurity::Tls => AsyncSmtpTransport::<Tokio1Executor>::relay(host),
            SmtpSecurity::StartTls => AsyncSmtpTransport::<Tokio1Executor>::starttls_relay(host),
            SmtpSecurity::Loopback => Ok(AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)),
        };
        let builder = builder.map_err(|error| format!("TLS to the mail server: {error}"))?;
        let mut builder = builder.port(config.port).timeout(Some(PATIENCE));
        if let Some((user, password)) = login {
            builder = builder.credentials(Credentials::new(user, password.expose_secret().to_owned()));
        }
        let mailbox = |text: &String| text.parse::<Mailbox>().map_err(|error| format!("{text:?}: {error}"));
        Ok(Self {
            transport: builder.build(),
            from: mailbox(&config.from)?,
            to: config.to.iter().map(mailbox).collect::<Result<_, _>>()?,
            place: format!("{}:{}", config.host, config.port),
        })
    }

    fn mail(&self, message: &Message) -> Result<Mail, lettre::error::Error> {
        let mut mail = Mail::builder().from(self.from.clone()).subject(&message.subject);
        for to in &self.to {
            mail = mail.to(to.clone());
        }
        mail.header(header::ContentType::TEXT_PLAIN).body(message.text.clone())
    }
}

impl Channel for Email {
    fn name(&self) -> &'static str {
        "email"
    }

    fn place(&self) -> String {
        self.place.clone()
    }

    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), SendError>> {
        async move {
            let mail = self.mail(message).map_err(|error| SendError::Final { why: format!("no mail: {error}") })?;
            match tokio::time::timeout(PATIENCE, self.transport.send(mail)).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => {
                    let cause = std::error::Error::source(&error).map_or_else(String::new, |why| format!(": {why}"));
                    let why = format!("{error}{cause}").split_whitespace().collect::<Vec<_>>().join(" ");
                    Err(if error.is_permanent() { SendError::Final { why } } else { SendError::passing(why) })
                }
                Err(_) => Err(SendError::passing(format!("no answer within {} s", PATIENCE.as_secs()))),
            }
        }
        .boxed()
    }
}
