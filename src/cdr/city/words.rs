//! The names in the synthetic city: trunks, desks, categories with their agencies, districts, operators.

use crate::cdr::fact::Class;

/// Trunks, with their share of the calls in per cent.
pub(super) const TRUNKS: [(&str, u64); 3] = [("telkom-1", 55), ("telkom-2", 30), ("seluler", 15)];

/// The called number or service, the desk that serves it, and the share of the calls in per cent.
pub(super) const DESKS: [(&str, &str, u64); 4] = [
    ("112", "", 76),
    ("urn:service:sos.ambulance", "medis", 10),
    ("urn:service:sos.fire", "damkar", 6),
    ("urn:service:sos.police", "polisi", 8),
];

/// A category of real emergencies, its agency, the agency's number, and its weight.
pub(super) struct Category {
    pub(super) name: &'static str,
    pub(super) agency: &'static str,
    pub(super) number: &'static str,
    pub(super) weight: u64,
}

const fn category(name: &'static str, agency: &'static str, number: &'static str, weight: u64) -> Category {
    Category { name, agency, number, weight }
}

pub(super) const CATEGORIES: [Category; 12] = [
    category("sakit", "psc-119", "119", 22),
    category("kecelakaan", "psc-119", "119", 16),
    category("melahirkan", "psc-119", "119", 5),
    category("kebakaran", "damkar", "0725113", 11),
    category("evakuasi-hewan", "damkar", "0725113", 9),
    category("pencurian", "polisi", "110", 8),
    category("perkelahian", "polisi", "110", 5),
    category("gangguan-ketertiban", "satpol-pp", "0725140", 7),
    category("banjir", "bpbd", "0725117", 5),
    category("pohon-tumbang", "bpbd", "0725117", 5),
    category("kemacetan", "dishub", "0725151", 4),
    category("listrik-padam", "pln", "123", 3),
];

/// What callers are asked about who need no agency.
pub(super) const QUESTIONS: [&str; 3] = ["nomor-penting", "layanan-kota", "perkembangan-laporan"];

pub(super) const DISTRICTS: [&str; 5] = ["Metro Pusat", "Metro Timur", "Metro Barat", "Metro Utara", "Metro Selatan"];

pub(super) const OPERATORS: [&str; 18] = [
    "agus.setiawan",
    "ayu.lestari",
    "bambang.irawan",
    "citra.dewi",
    "dedi.kurniawan",
    "eka.putri",
    "fajar.nugroho",
    "gita.puspita",
    "hendra.wijaya",
    "indah.permata",
    "joko.susilo",
    "kartika.sari",
    "lukman.hakim",
    "maya.anggraini",
    "nur.hidayat",
    "putri.rahma",
    "rudi.hartono",
    "sri.wahyuni",
];

/// Calls of each hour of the day per thousand of a day.
pub(super) const HOURS: [u64; 24] =
    [24, 18, 14, 11, 12, 18, 28, 38, 45, 50, 53, 52, 49, 50, 53, 55, 56, 58, 62, 64, 60, 54, 43, 33];

/// Calls of each day of the week in per cent of a mean day, from Monday on.
pub(super) const WEEKDAYS: [u64; 7] = [97, 95, 95, 97, 104, 112, 100];

/// The callers' reasons, with their share in per cent.
pub(super) const REASONS: [(Class, u64); 4] =
    [(Class::Normal, 34), (Class::Ghost, 30), (Class::Prank, 18), (Class::Information, 18)];
