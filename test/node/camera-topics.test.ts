import { describe, expect, it } from '@jest/globals';
import { findCameras } from '../../src/node/camera-topics.js';

const image = (topic: string): { topic: string; type: string } => ({ topic, type: 'sensor_msgs/msg/Image' });
const compressed = (topic: string): { topic: string; type: string } => ({
  topic,
  type: 'sensor_msgs/msg/CompressedImage',
});
const info = (topic: string): { topic: string; type: string } => ({ topic, type: 'sensor_msgs/msg/CameraInfo' });
const found = (topics: readonly { topic: string; type: string }[]): unknown[] =>
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
});
