//! Principal axes: the directions in which rows spread most, which are at right angles to one another.

/// More columns than this are left on the axes that they have: finding others would take longer than it saves.
const TURNED_MAX: usize = 64;
/// Rows that the axes are found from, spread evenly over all.
const ROWS_MAX: usize = 20_000;
/// Rounds of turns; a handful is enough.
const ROUNDS_MAX: usize = 30;

/// The mean of each column, summed in the order of the rows.
pub(super) fn means(rows: &[f64], width: usize) -> Vec<f64> {
    let n = (rows.len() / width) as f64;
    let mut means = vec![0.0; width];
    for row in rows.chunks_exact(width) {
        means.iter_mut().zip(row).for_each(|(mean, value)| *mean += value / n);
    }
    means
}

/// The axes as rows of a matrix, the one of the widest spread first. Any set of axes at right angles is right for what
/// is made of it; these make it fast.
pub(super) fn principal(rows: &[f64], width: usize, centre: &[f64]) -> Vec<f64> {
    let mut axes = identity(width);
    if width > TURNED_MAX {
        return axes;
    }
    let step = (rows.len() / width).div_ceil(ROWS_MAX).max(1);
    let mut spread = vec![0.0; width * width];
    for row in rows.chunks_exact(width).step_by(step) {
        for i in 0..width {
            let from_centre = row[i] - centre[i];
            for j in 0..width {
                spread[i * width + j] += from_centre * (row[j] - centre[j]);
            }
        }
    }
    let largest = spread.iter().fold(0.0, |most: f64, value| most.max(value.abs()));
    if !(largest > 0.0 && largest.is_finite()) {
        return axes;
    }
    spread.iter_mut().for_each(|value| *value /= largest);
    turn_to_diagonal(&mut spread, &mut axes, width);
    let mut order: Vec<usize> = (0..width).collect();
    order.sort_by(|a, b| spread[b * width + b].total_cmp(&spread[a * width + a]));
    let sorted: Vec<f64> = order.iter().flat_map(|axis| &axes[axis * width..(axis + 1) * width]).copied().collect();
    if is_orthonormal(&sorted, width) { sorted } else { identity(width) }
}

fn identity(width: usize) -> Vec<f64> {
    (0..width * width).map(|at| if at / width == at % width { 1.0 } else { 0.0 }).collect()
}

/// Jacobi's method: turns by pairs of axes until the symmetric matrix `a` has nothing beside its diagonal; `axes` are
/// turned along. Source: Golub, Van Loan (2013), Matrix Computations, section 8.5.
fn turn_to_diagonal(a: &mut [f64], axes: &mut [f64], width: usize) {
    for _ in 0..ROUNDS_MAX {
        let mut is_done = true;
        for p in 0..width {
            for q in p + 1..width {
                let beside = a[p * width + q];
                if beside.abs() <= 1e-14 {
                    continue;
                }
                is_done = false;
                let tau = (a[q * width + q] - a[p * width + p]) / (2.0 * beside);
                let t = tau.signum() / (tau.abs() + (1.0 + tau * tau).sqrt());
                let c = 1.0 / (1.0 + t * t).sqrt();
                let s = t * c;
                for i in 0..width {
                    let (ip, iq) = (a[i * width + p], a[i * width + q]);
                    (a[i * width + p], a[i * width + q]) = (c * ip - s * iq, s * ip + c * iq);
                }
                for matrix in [&mut *a, &mut *axes] {
                    for i in 0..width {
                        let (pi, qi) = (matrix[p * width + i], matrix[q * width + i]);
                        (matrix[p * width + i], matrix[q * width + i]) = (c * pi - s * qi, s * pi + c * qi);
                    }
                }
            }
        }
        if is_done {
            break;
        }
    }
}

/// Whether the axes keep lengths to some twelve digits: what the bound of the search makes room for.
fn is_orthonormal(axes: &[f64], width: usize) -> bool {
    let rows = || axes.chunks_exact(width);
    rows().enumerate().all(|(i, a)| {
        rows().enumerate().all(|(j, b)| {
            let product: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
            (product - f64::from(u8::from(i == j))).abs() < 1e-12
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_on_a_line_spread_along_one_axis() {
        let rows: Vec<f64> = (0..50).flat_map(|i| [f64::from(i) * 3.0, f64::from(i) * 4.0]).collect();
        let axes = principal(&rows, 2, &means(&rows, 2));
        assert!((axes[0].abs() - 0.6).abs() < 1e-12 && (axes[1].abs() - 0.8).abs() < 1e-12, "{axes:?}");
        assert!(is_orthonormal(&axes, 2));
    }
}
