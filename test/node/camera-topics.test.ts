import { describe, expect, it } from '@jest/globals';
import { findCameras, type Topic } from '../../src/node/camera-topics.js';

const image = (topic: string): { topic: string; type: string } => ({ topic, type: 'sensor_msgs/msg/Image' });
const compressed = (topic: string): { topic: string; type: string } => ({
  topic,
  type: 'sensor_msgs/msg/CompressedImage',
});
const info = (topic: string): { topic: string; type: string } => ({ topic, type: 'sensor_msgs/msg/CameraInfo' });
const found = (topics: readonly Topic[]): unknown[] =>
  findCameras(topics).map(({ camera, color, depth, rectified }) => [
    camera,
    color.topic,
    depth?.topic ?? null,
    rectified,
  ]);

describe('cameras among topics', () => {
  it.each([
    [
      'RealSense',
      [
        image('/camera/camera/color/image_raw'),
        info('/camera/camera/color/camera_info'),
        image('/camera/camera/depth/image_rect_raw'),
        info('/camera/camera/depth/camera_info'),
        image('/camera/camera/aligned_depth_to_color/image_raw'),
      ],
      [['camera', '/camera/camera/color/image_raw', '/camera/camera/aligned_depth_to_color/image_raw', false]],
    ],
    [
      'ZED',
      [
        image('/zed/zed_node/rgb/color/rect/image'),
        info('/zed/zed_node/rgb/color/rect/camera_info'),
        image('/zed/zed_node/depth/depth_registered'),
      ],
      [['zed', '/zed/zed_node/rgb/color/rect/image', '/zed/zed_node/depth/depth_registered', true]],
    ],
    [
      'two cameras, one without depth',
      [
        image('/robot/front/image_raw'),
        info('/robot/front/camera_info'),
        image('/robot/wrist/color/image_raw'),
        info('/robot/wrist/color/camera_info'),
        image('/robot/wrist/aligned_depth_to_color/image_raw'),
      ],
      [
        ['robot_front', '/robot/front/image_raw', null, false],
        ['robot_wrist', '/robot/wrist/color/image_raw', '/robot/wrist/aligned_depth_to_color/image_raw', false],
      ],
    ],
    [
      'compressed pictures',
      [
        compressed('/cam/color/image_raw/compressed'),
        info('/cam/color/camera_info'),
        compressed('/cam/aligned_depth_to_color/image_raw/compressedDepth'),
      ],
      [['cam', '/cam/color/image_raw/compressed', '/cam/aligned_depth_to_color/image_raw/compressedDepth', false]],
    ],
    [
      'a camera that is called depth_camera',
      [image('/depth_camera/image_raw'), info('/depth_camera/camera_info'), image('/depth_camera/depth/image_raw')],
      [['depth_camera', '/depth_camera/image_raw', '/depth_camera/depth/image_raw', false]],
    ],
    ['pictures without calibration', [image('/rgb8'), image('/x/image_raw')], []],
  ])('%s', (_name, topics, expected) => {
    expect(found(topics)).toEqual(expected);
  });
  it('prefers a raw topic to its compressed twin', () => {
    expect(
      found([compressed('/c/color/image_raw/compressed'), image('/c/color/image_raw'), info('/c/color/camera_info')]),
    ).toEqual([['c', '/c/color/image_raw', null, false]]);
  });
  it('takes neither topics without messages nor pictures that are no depth for one', () => {
    const depth = (topic: string, frameId: string, encoding = '16UC1') => ({
      ...image(topic),
      picture: {
        content: encoding === 'rgb8' ? ('color' as const) : ('depth' as const),
        frameId,
        width: 8,
        height: 6,
        encoding,
      },
    });
    const color = depth('/oak/rgb/image_raw', 'rgb', 'rgb8');
    const cameraInfo = info('/oak/rgb/camera_info');
    // depthai-ros 310: depth goes by no name that says so; ZED's confidence map is encoded as depth is.
    const stereo = depth('/oak/stereo/image_raw', 'rgb');
    expect(found([color, cameraInfo, stereo, depth('/oak/confidence/image_raw', 'rgb', '32FC1')])).toEqual([
      ['oak', '/oak/rgb/image_raw', '/oak/stereo/image_raw', false],
    ]);
    expect(found([color, cameraInfo, { ...stereo, count: 0 }])).toEqual([['oak', '/oak/rgb/image_raw', null, false]]);
    expect(found([{ ...color, count: 0 }, cameraInfo, stereo])).toEqual([]);
    // Azure_Kinect 106: two depths in one namespace, of which one is in the frame of the colour.
    expect(
      found([color, cameraInfo, depth('/oak/depth/image_raw', 'ir'), depth('/oak/depth_to_rgb/image_raw', 'rgb')]),
    ).toEqual([['oak', '/oak/rgb/image_raw', '/oak/depth_to_rgb/image_raw', false]]);
    // An all-knowing driver: both fit, so neither is guessed.
    const both = [color, cameraInfo, depth('/oak/depth/image_raw', 'rgb'), depth('/oak/depth_to_rgb/image_raw', 'rgb')];
    expect(() => findCameras(both)).toThrow(
      '2 depth pictures fit the colour picture /oak/rgb/image_raw: /oak/depth/image_raw and /oak/depth_to_rgb/image_raw',
    );
    expect(findCameras(both, { oak: { depth: '/oak/depth/image_raw' } })[0]!.depth!.topic).toBe('/oak/depth/image_raw');
    expect(findCameras(both, { oak: { depth: null } })[0]!.depth).toBeNull();
    expect(() => findCameras(both, { oak: { depth: '/oak/depht' } })).toThrow(
      'cameras.oak.depth is /oak/depht, on which there are no messages',
    );
  });
  it('keeps cameras of different namespaces apart', () => {
    const camera = (side: string): { topic: string; type: string }[] => [
      image(`/${side}/camera/color/image_raw`),
      info(`/${side}/camera/color/camera_info`),
      image(`/${side}/camera/aligned_depth_to_color/image_raw`),
    ];
    const [left, right] = [camera('left'), camera('right')];
    const row = (side: string) => [
      `${side}_camera`,
      `/${side}/camera/color/image_raw`,
      `/${side}/camera/aligned_depth_to_color/image_raw`,
      false,
    ];
    expect(found([...left, ...right])).toEqual([row('left'), row('right')]);
    // The right camera has lost its depth: it must not get the other's.
    expect(found([...left, ...right.slice(0, 2)])).toEqual([
      row('left'),
      ['right_camera', '/right/camera/color/image_raw', null, false],
    ]);
  });
  it('asks which of two colour pictures is the camera of that name', () => {
    const twice = [image('/c/image_raw'), image('/c/image_rect_color'), info('/c/camera_info')];
    expect(() => findCameras(twice)).toThrow(
      'the camera "c" has 2 colour pictures: /c/image_raw and /c/image_rect_color',
    );
    expect(findCameras(twice, { c: { color: '/c/image_rect_color' } })).toEqual([
      expect.objectContaining({ camera: 'c', info: '/c/camera_info', rectified: true }),
    ]);
  });
  it('takes a picture for rectified only when its own name says so', () => {
    expect(found([image('/director/color/image_raw'), info('/director/color/camera_info')])[0]).toContain(false);
    expect(found([image('/c/image_rect_raw'), info('/c/camera_info')])[0]).toContain(true);
  });
});
