//! Names of the demo's people.

const FIRST_NAMES: [&str; 50] = [
    "Camille", "Omar", "Ines", "Jonas", "Priya", "Lucas", "Amelie", "Mateo", "Hannah", "Yusuf", "Chloe", "Tom",
    "Sofia", "Felix", "Aisha", "Hugo", "Elena", "Noah", "Fatima", "Leon", "Clara", "Diego", "Emma", "Samir", "Louise",
    "Pablo", "Greta", "Adam", "Lucia", "Paul", "Zoe", "Marco", "Nadia", "Oscar", "Julie", "Ivan", "Marta", "Karim",
    "Alice", "Sven", "Rosa", "Liam", "Maya", "Victor", "Lena", "Rachid", "Eva", "Daniel", "Nina", "Theo",
];
const LAST_NAMES: [&str; 50] = [
    "Moreau", "Garcia", "Schmidt", "Taylor", "Dubois", "Patel", "Fischer", "Lopez", "Martin", "Novak", "Bernard",
    "Khan", "Weber", "Ruiz", "Laurent", "Evans", "Becker", "Torres", "Petit", "Wilson", "Wagner", "Navarro", "Roux",
    "Hughes", "Hoffmann", "Moreno", "Fournier", "Clarke", "Koch", "Romero", "Girard", "Walker", "Richter", "Molina",
    "Mercier", "Hall", "Wolf", "Ortega", "Blanc", "Green", "Neumann", "Castro", "Faure", "Baker", "Braun", "Vidal",
    "Andre", "Cooper", "Zeller", "Rojas",
];

/// Returns the first and the last name of person number `n`. Two hundred are distinct: each first name is combined with
/// four last names, thirteen apart.
pub fn of(n: usize) -> (&'static str, &'static str) {
    (FIRST_NAMES[n % 50], LAST_NAMES[(n + n / 50 * 13) % 50])
}
