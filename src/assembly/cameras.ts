import { ConfigurationError } from '../core/errors.js';
import { findCameras, type CameraTopics } from '../node/camera-topics.js';
import type { NodeConfig } from './config/node-config.js';
import type { World, WorldTopic } from './world.js';

/** Role of the camera that forecasts start from. Any other role is the policy's name of a camera. */
const FORECAST_ROLE = 'forecast';

type CamerasSection = NodeConfig['cameras'];
type CameraSection = NonNullable<Exclude<CamerasSection, 'auto'>[string]>;

/**
 * The cameras that are found among the topics, with what the configuration says of them.
 * @throws InputError `camera.ambiguous` and ConfigurationError `camera.topic` of `findCameras`, and `camera.unknown` for a configured camera without a
 * colour topic, of which nothing is found.
 */
export function resolveCameras(section: CamerasSection, topics: readonly WorldTopic[]): readonly CameraTopics[] {
  const configured = section === 'auto' ? {} : section;
  const chosen = Object.fromEntries(
    Object.entries(configured).map(([name, camera]) => [
      name,
      camera && { color: camera.color, depth: camera.depth, info: camera.info === 'auto' ? undefined : camera.info },
    ]),
  );
  const found = findCameras(topics, chosen);
  const names = found.map(({ camera }) => camera);
  for (const [name, camera] of Object.entries(configured)) {
    if (camera === null || names.includes(name)) continue;
    throw new ConfigurationError({
      code: 'camera.unknown',
      message: `cameras.${name} has no colour topic, and no camera is found under this name (there are: ${names.join(', ') || 'none'})`,
      remedy: `set cameras.${name}.color to the topic of its pictures`,
    });
  }
  return found.map((camera) => {
    const { frame, rectified = 'auto' } = configured[camera.camera] ?? {};
    return {
      ...camera,
      ...(rectified !== 'auto' && { rectified }),
      ...(frame !== undefined && { frame }),
    };
  });
}

/**
 * The camera that forecasts start from: the one that is named, is clicked in, has the role, saw the known tracks, or else the first, one with depth first. Null
 * where there is no camera.
 * @throws ConfigurationError `camera.unknown`, and `camera.role` where several have the role.
 */
export function forecastCamera(
  config: NodeConfig,
  cameras: readonly CameraTopics[],
  { tracks }: Pick<World, 'tracks'>,
): string | null {
  const names = cameras.map(({ camera }) => camera);
  const wanted = config.forecasting.camera;
  if (wanted !== 'auto') {
    if (names.includes(wanted)) return wanted;
    throw unknownCamera(wanted, names, 'forecasting.camera, --camera');
  }
  const clicked = config.grounding.clicks.flatMap(({ camera }) => (camera === undefined ? [] : [camera]));
  const unknown = clicked.find((camera) => !names.includes(camera));
  if (unknown !== undefined) throw unknownCamera(unknown, names, 'grounding.clicks, --click');
  const withRole = camerasWithRole(config.cameras, FORECAST_ROLE);
  if (withRole.length > 1) {
    throw new ConfigurationError({
      code: 'camera.role',
      message: `several cameras have the role "${FORECAST_ROLE}": ${withRole.join(', ')}`,
      remedy: 'give it to one of them',
    });
  }
  return (
    clicked[0] ??
    withRole[0] ??
    names.find((name) => name === tracks?.camera) ??
    cameras.find(({ depth }) => depth !== null)?.camera ??
    names[0] ??
    null
  );
}

/** Cameras by the policy's names for them, as they are configured: roles first, then what `planning.cameras` says. */
export function renamedCameras({ cameras, planning }: NodeConfig): ReadonlyMap<string, string> {
  const roles = cameras === 'auto' ? [] : Object.entries(cameras);
  return new Map([
    ...roles.flatMap(([camera, section]) =>
      (section ? rolesOf(section) : []).filter((role) => role !== FORECAST_ROLE).map((role) => [role, camera] as const),
    ),
    ...Object.entries(planning.cameras),
  ]);
}

function camerasWithRole(section: CamerasSection, role: string): readonly string[] {
  if (section === 'auto') return [];
  return Object.entries(section).flatMap(([camera, one]) => (one && rolesOf(one).includes(role) ? [camera] : []));
}

function rolesOf({ role }: CameraSection): readonly string[] {
  return role === undefined ? [] : [role].flat();
}

function unknownCamera(name: string, names: readonly string[], where: string): ConfigurationError {
  return new ConfigurationError({
    code: 'camera.unknown',
    message: `there is no camera "${name}" (there are: ${names.join(', ') || 'none'})`,
    remedy: `name one of them (${where})`,
  });
}
