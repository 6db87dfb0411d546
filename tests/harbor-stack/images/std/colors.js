// In place of @std/fmt/colors: nothing is coloured.
export const [red, yellow, gray] = [String, String, String];
