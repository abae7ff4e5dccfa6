//! The e-mail with a report.

use data_encoding::HEXLOWER;
use lettre::message::header::ContentType;
use lettre::message::{Attachment, Mailbox, Message, MultiPart, SinglePart};
use sha2::{Digest as _, Sha256};

use crate::config::{Config, FileFormat, Schedule, Smtp};
use crate::reports::schedule::Due;
use crate::web::texts::Language;

use super::file;
use super::spool::SpoolError;

/// The message for one address. A repeated message about the same time has the same id, so that receivers recognise it.
pub(super) fn message(
    config: &Config,
    smtp: &Smtp,
    schedule: &Schedule,
    due: &Due,
    address: &str,
    report: &[u8],
) -> Result<Vec<u8>, SpoolError> {
    let language = Language::parse(&config.site.language).unwrap_or_default();
    let from: Mailbox = smtp.from.parse()?;
    let name = language.text(&format!("mail-report-{}", schedule.report.word()));
    let days = due.days(schedule.every);
    let values = [("city", config.site.name.as_str()), ("report", name.as_str()), ("days", days.as_str())];
    let hash = HEXLOWER.encode(&Sha256::digest(format!("{}\n{address}", schedule.name).as_bytes()));
    let id = format!("<{}.{}@{}>", due.at.as_millis(), hash.get(..16).unwrap_or_default(), from.email.domain());
    let kind = match schedule.format {
        FileFormat::Csv => "text/csv; charset=utf-8",
        FileFormat::Json => "application/json",
        FileFormat::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        FileFormat::Parquet => "application/vnd.apache.parquet",
        FileFormat::Pdf => "application/pdf",
    };
    let kind = ContentType::parse(kind).unwrap_or(ContentType::TEXT_PLAIN);
    let attachment = Attachment::new(file::name(schedule, due)).body(report.to_vec(), kind);
    let body = SinglePart::plain(language.with("mail-body", &values));
    let message = Message::builder()
        .from(from)
        .to(Mailbox::new(None, address.parse()?))
        .subject(language.with("mail-subject", &values))
        .message_id(Some(id))
        .multipart(MultiPart::mixed().singlepart(body).singlepart(attachment))?;
    Ok(message.formatted())
}
