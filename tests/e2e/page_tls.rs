//! Console and report pages over TLS, as curl and OpenSSL see them, with certificates of `siaga certificate`.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::http;
use super::process::{Running, until};
use super::service::Service;

/// The outcome of curl: its exit code, and the head of the response with the body.
fn curl(service: &Service, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new("curl");
    let done = command.args(["-s", "-i"]).args(arguments).current_dir(service.path()).output().unwrap();
    (done.status.code(), String::from_utf8_lossy(&done.stdout).into_owned())
}

/// The certificate of a listener, if a client that trusts the site's authority accepts it.
fn shown(service: &Service, port: u16) -> Option<String> {
    let at = format!("{}:{port}", service.host(1));
    let script = "openssl s_client -connect \"$0\" -CAfile tls/ca.pem -verify_return_error < /dev/null | \
        openssl x509 -noout -ext subjectAltName -dates";
    let done = Command::new("bash").args(["-c", script, &at]).current_dir(service.path()).output().unwrap();
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    text.contains("Alternative Name").then_some(text)
}

#[test]
fn console_and_pages_are_served_over_tls_only_with_the_sites_own_authority() {
    let mut service = Service::start(200, 1, "");
    service.end();
    let host = service.host(1);
    let made = service.siaga(&["certificate", &host, "--dir", "tls"]);
    assert!(made.contains("the new certificate authority") && made.contains("valid for 825 days"), "{made}");
    for file in ["ca.key", "server.key"] {
        let mode = std::fs::metadata(service.path().join("tls").join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    let files = "certificate = \"tls/server.pem\"\nkey = \"tls/server.key\"\n";
    let sections = format!("[console.tls]\n{files}[report]\nlisten = \"{host}:8113\"\n[report.tls]\n{files}");
    let mut config = OpenOptions::new().append(true).open(service.path().join("siaga.toml")).unwrap();
    config.write_all(sections.as_bytes()).unwrap();
    assert!(service.siaga(&["check", "--config", "siaga.toml"]).contains(&format!("https://{host}:8113")));
    service.spawn();
    let ready = format!("https://{host}:8112/health/ready");
    until("the service is ready", || {
        curl(&service, &["--cacert", "tls/ca.pem", &ready]).1.contains(" 200 ").then_some(())
    });
    // The command line reads the same configuration.
    until("the command line reaches the service", || {
        let done = service.program().args(["floor", "--config", "siaga.toml"]).output().unwrap();
        String::from_utf8_lossy(&done.stdout).contains("op1").then_some(())
    });
    assert_eq!(curl(&service, &[&ready]).0, Some(60), "a browser without the authority");
    assert!(http::ask(service.console(), "GET", "/health/ready", "", "").is_none(), "without TLS");

    let mut serve = service.program();
    serve.args(["report", "serve", "--config", "siaga.toml"]);
    let mut pages = Running::start("reports", service.path(), &mut serve);
    let log_in = format!("https://{host}:8113/login");
    let form = until("the log-in form", || {
        let (_, text) = curl(&service, &["--cacert", "tls/ca.pem", &log_in]);
        text.contains(" 200 ").then_some(text)
    });
    assert!(form.contains("; Secure") && form.contains("name=\"password\""), "{form}");

    // A new certificate for more names, of the same authority.
    let old = until("the certificate", || shown(&service, 8113));
    assert!(!old.contains("siaga.kota.example"), "{old}");
    let made = service.siaga(&["certificate", &host, "siaga.kota.example", "--dir", "tls"]);
    assert!(!made.contains("new certificate authority"), "{made}");
    for port in [8112, 8113] {
        until("the new certificate is shown", || shown(&service, port)?.contains("siaga.kota.example").then_some(()));
    }
    // A certificate that cannot be read changes nothing.
    std::fs::write(service.path().join("tls/server.pem"), "").unwrap();
    until("the error is logged", || pages.output().contains("the old certificate of the pages stays").then_some(()));
    assert!(shown(&service, 8113).is_some());
    pages.signal(15);
    assert!(pages.wait().success());
}

#[test]
fn an_open_address_without_tls_is_an_error_of_the_check() {
    let folder = tempfile::tempdir().unwrap();
    let check = |lines: &str| {
        let trunk = "[[trunk]]\nname = \"telco\"\npeers = [\"127.0.0.2\"]\n";
        std::fs::write(folder.path().join("siaga.toml"), format!("{trunk}{lines}")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_siaga"));
        let done = command.args(["check", "--config", "siaga.toml"]).current_dir(folder.path()).output().unwrap();
        String::from_utf8_lossy(&done.stderr).into_owned()
    };
    for section in ["console", "report"] {
        let listen = format!("[{section}]\nlisten = \"10.0.0.5:8114\"\n");
        let wrong = format!("{section}.listen: 10.0.0.5:8114 is not a loopback address");
        assert!(check(&listen).contains(&wrong), "{section}: {}", check(&listen));
        assert!(!check(&format!("{listen}insecure = true\n")).contains(&wrong), "{section}");
        let tls = format!("{listen}[{section}.tls]\ncertificate = \"a.pem\"\nkey = \"b.key\"\n");
        let text = check(&tls);
        assert!(!text.contains(&wrong) && text.contains(&format!("{section}.tls.certificate: ")), "{text}");
        let text = check(&format!("{listen}[{section}.tls]\nkey = \"b.key\"\n"));
        assert!(text.contains(&format!("{section}.tls.certificate: missing")), "{text}");
    }
}

#[test]
fn a_certificate_is_made_only_with_both_files_of_its_own_authority() {
    let folder = tempfile::tempdir().unwrap();
    let siaga = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_siaga"));
        let done = command.arg("certificate").args(arguments).current_dir(folder.path()).output().unwrap();
        (done.status.success(), String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned())
    };
    for name in ["https://siaga.example", "siaga.example:8113", "two words", ""] {
        let (good, text) = siaga(&[name, "--dir", "tls"]);
        assert!(!good && text.contains("is not a name; expected: siaga.kota.go.id"), "{name}: {text}");
    }
    assert!(siaga(&["siaga.example", "::1", "--dir", "tls"]).0);
    let tls = |file: &str| folder.path().join("tls").join(file);
    let before = std::fs::read(tls("server.pem")).unwrap();
    assert!(siaga(&["siaga.example", "--dir", "other"]).0);
    std::fs::copy(folder.path().join("other/ca.pem"), tls("ca.pem")).unwrap();
    let (good, text) = siaga(&["siaga.example", "--dir", "tls"]);
    assert!(!good && text.contains("ca.pem is the certificate of another authority"), "{text}");
    std::fs::remove_file(tls("ca.pem")).unwrap();
    let (good, text) = siaga(&["siaga.example", "--dir", "tls"]);
    assert!(!good && text.contains("tls/ca.key exists without tls/ca.pem"), "{text}");
    assert_eq!(std::fs::read(tls("server.pem")).unwrap(), before);
}
