/** Names that the published simulator policy takes in place of its own. */
export const CAMERA_ALIASES: ReadonlyMap<string, string> = new Map([
  ['exo_camera_1', 'droid_shoulder_light_randomization'],
  ['wrist_camera', 'wrist_camera_zed_mini'],
]);
