//! Windows-1251: how Russian tables leave Excel and 1C.

/// The upper half of the code page, from 0x80 on.
const UPPER: &str = "ЂЃ‚ѓ„…†‡€‰Љ‹ЊЌЋЏђ‘’“”•–—\u{98}™љ›њќћџ\u{a0}ЎўЈ¤Ґ¦§Ё©Є«¬\u{ad}®Ї°±Ііґµ¶·ё№є»јЅѕїАБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯабвгдежзийклмнопрстуфхцчшщъыьэюя";

/// Bytes that are no UTF-8 as text; none when they do not look like Russian.
pub(super) fn windows_1251(bytes: &[u8]) -> Option<String> {
    let upper = bytes.iter().filter(|b| **b >= 0x80).count();
    // Letters stand at the end of the page; other marks are rare in it.
    let letters = bytes.iter().filter(|b| matches!(**b, 0xc0..|0xa8| 0xb8)).count();
    let plain = bytes.iter().all(|b| *b >= 0x20 || matches!(*b, b'\t' | b'\n' | b'\r'));
    if !plain || upper == 0 || letters * 10 < upper * 7 || bytes.contains(&0x98) {
        return None;
    }
    let table: Vec<char> = UPPER.chars().collect();
    Some(bytes.iter().map(|b| table.get(usize::from(*b).wrapping_sub(0x80)).copied().unwrap_or(char::from(*b))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn russian_is_recognised() {
        assert_eq!(UPPER.chars().count(), 128);
        // python3 -c "print('Отчёт № 7 «по клиентам»'.encode('cp1251'))"
        let bytes = b"\xce\xf2\xf7\xb8\xf2 \xb9 7 \xab\xef\xee \xea\xeb\xe8\xe5\xed\xf2\xe0\xec\xbb";
        assert_eq!(windows_1251(bytes).as_deref(), Some("Отчёт № 7 «по клиентам»"));
        for other in [&b"\xff\x00"[..], b"plain", b"\x81\x82\x83", b"\xce\x98\xf2"] {
            assert_eq!(windows_1251(other), None);
        }
    }
}
