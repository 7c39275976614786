/**
 * The ids of the inputs that real products got wrong, A to I, N and O, as tests and docs/decisions.md name them. They have gaps.
 * A fetch and cursor, B identity and duplicates, C automatic mail and loops, D threading, E MIME, F quotes, G HTML and files,
 * H sending and delivery, I assistants and drafts, N authenticity and access, O limits of the platform.
 */
const ROWS = `
  A1 A2 A4 A5 A6 A7 A8 A9 A10 A11 A12 A12b A13 A14 A15 A16 A17 A18 A20 A21 A22 A23 A25 A26 A27 A28 A29
  B1 B2 B3 B4 B5 B7 B8 B9 B10 B12 B14
  C1 C2 C3 C4 C5 C6 C7 C9 C10 C11 C12 C13 C14 C15 C17 C18 C20 C21 C22 C23 C24 C25 C26 C27 C28 C30 C31
  D1 D2 D4 D5 D6 D7 D8 D10 D11 D12 D13 D14 D15 D17 D18 D19 D20 D21 D22 D23
  E1 E3 E4 E5 E6 E7 E8 E9 E10 E11 E12 E14 E15 E17 E18 E19 E20 E21
  F1 F2 F4 F6 F7 F8 F9 F10 F11 F12
  G1 G2 G3 G4 G5 G6 G7 G9
  H1 H2 H3 H4 H5 H6 H7 H9 H10 H11 H12 H13 H14 H16 H17
  I1 I2 I3 I4 I5 I7 I8 I9 I10 I11 I12 I13 I14 I15 I16 I17 I18
  N2 N4 N5 N6
  O1 O2 O3 O4 O5 O6 O7
`

export const edgeCaseIds: readonly string[] = ROWS.trim().split(/\s+/)
