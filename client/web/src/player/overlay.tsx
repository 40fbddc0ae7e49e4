import { boxAt } from "../analysis/moments";
import type { Box, Result } from "../api/types";
import { t } from "../texts";
import type { Clock } from "./clock";

interface Props {
  result: Result;
  clock: Clock;
  width: number; // of the picture as it is shown, in pixels
  height: number;
}

/** A box around every face in view; the one that speaks is marked and named. */
export function FaceOverlay({ result, clock, width, height }: Props) {
  const time = clock.time.value;
  const scale = scaleOf(result, width, height);
  return (
    <svg class="faces" viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="xMidYMid meet" aria-hidden="true">
      {result.tracks.map((track) => {
        const box = boxAt(track, time);
        return box && <Face key={track.id} box={box} scale={scale} speaking={track.speaking} size={width} />;
      })}
    </svg>
  );
}

function Face(props: { box: Box; scale: [number, number]; speaking: boolean; size: number }) {
  const { box, scale, speaking, size } = props;
  const [x, y] = [box[0] * scale[0], box[1] * scale[1]];
  const [width, height] = [(box[2] - box[0]) * scale[0], (box[3] - box[1]) * scale[1]];
  const letter = size / 32;
  return (
    <g class={speaking ? "face speaking" : "face"}>
      <rect x={x} y={y} width={width} height={height} rx={size / 100} vector-effect="non-scaling-stroke" />
      {speaking && (
        <text x={x + letter / 3} y={Math.max(y - letter / 3, letter)} font-size={letter}>
          ● {t("player.speaks")}
        </text>
      )}
    </g>
  );
}

/** From the file's pixels to those of the picture shown: turned phones, pixels that are not square. */
function scaleOf(result: Result, width: number, height: number): [number, number] {
  const said = [Number(result.media["width"]) || width, Number(result.media["height"]) || height];
  const turned = Math.abs(Number(result.media["rotation"]) || 0) % 180 === 90;
  const [across, down] = turned && said[0]! > said[1]! !== width > height ? [said[1]!, said[0]!] : [said[0]!, said[1]!];
  return [width / across, height / down];
}
