//! Formats numbers for the tables.

/// Formats a number with three significant digits and commas between thousands.
pub fn number(of: f64) -> String {
    let magnitude = of.max(1e-4).log10().floor() as i32;
    if magnitude < 3 {
        return format!("{of:.*}", (2 - magnitude).max(0) as usize);
    }
    let unit = 10f64.powi(magnitude - 2);
    commas((of / unit).round() as usize * unit as usize)
}

pub fn commas(of: usize) -> String {
    if of < 1_000 { of.to_string() } else { format!("{},{:03}", commas(of / 1_000), of % 1_000) }
}
