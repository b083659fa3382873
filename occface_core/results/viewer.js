// Turnable 3D views without any library: one hidden WebGL canvas draws for all visible canvases.
// Data: {topologies: {key: {uv, triangles, large}}, colours, faces: {id: {base, detailed, texture, provenance}}};
// a form is {topology, step, data}: vertices in whole steps of mm.
"use strict";
(function () {
  const data = JSON.parse(document.getElementById("occface-data").textContent);
  const SIZE = 512;
  const stage = document.createElement("canvas");
  stage.width = stage.height = SIZE;
  const gl = stage.getContext("webgl", { antialias: true, alpha: false });
  const canvases = Array.from(document.querySelectorAll("canvas.view"));
  if (!gl) {
    for (const canvas of canvases) {
      const text = document.createElement("p");
      text.className = "nogl";
      text.textContent = "This browser shows no WebGL, so the face cannot be turned here. " +
        "Open mesh.glb in the result's folder with any 3D viewer.";
      canvas.replaceWith(text);
    }
    return;
  }

  const VERTEX = `
    attribute vec3 position, normal, tint; attribute vec2 uv;
    uniform mat3 turn; uniform vec3 view; // zoom, pan x, pan y
    varying vec3 n, colour; varying vec2 place;
    void main() {
      vec3 p = turn * position; n = turn * normal; place = uv; colour = tint;
      float w = 1.0 - p.z * 0.0007;
      gl_Position = vec4((p.xy * view.x / 140.0) + view.yz * w, -p.z / 600.0 * w, w);
    }`;
  const FRAGMENT = `
    precision mediump float;
    uniform sampler2D image; uniform int mode;
    varying vec3 n, colour; varying vec2 place;
    void main() {
      vec3 d = normalize(n); if (d.z < 0.0) d = -d;
      float light = 0.16 + 0.70 * max(dot(d, vec3(-0.49, 0.59, 0.64)), 0.0)
        + 0.22 * max(dot(d, vec3(0.84, 0.11, 0.53)), 0.0) + 0.10 * max(dot(d, vec3(0.0, -0.64, 0.77)), 0.0);
      if (mode == 0) gl_FragColor = vec4(texture2D(image, place).rgb, 1.0);
      else if (mode == 3) gl_FragColor = vec4(colour * (0.35 + 0.65 * light), 1.0);
      else gl_FragColor = vec4(vec3(0.76, 0.76, 0.78) * light, 1.0);
    }`;

  function compile(kind, source) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
    return shader;
  }
  const program = gl.createProgram();
  gl.attachShader(program, compile(gl.VERTEX_SHADER, VERTEX));
  gl.attachShader(program, compile(gl.FRAGMENT_SHADER, FRAGMENT));
  gl.linkProgram(program);
  gl.useProgram(program);
  const at = {};
  for (const name of ["position", "normal", "tint", "uv"]) at[name] = gl.getAttribLocation(program, name);
  for (const name of ["turn", "view", "image", "mode"]) at[name] = gl.getUniformLocation(program, name);
  gl.enable(gl.DEPTH_TEST);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  function ground() { gl.clearColor(...(dark.matches ? [0.125, 0.137, 0.153] : [0.97, 0.97, 0.97]), 1); }
  ground();

  function bytes(text) {
    const raw = atob(text), out = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
    return out.buffer;
  }
  function points(packed) {
    const whole = new Int16Array(bytes(packed.data)), out = new Float32Array(whole.length);
    for (let i = 0; i < whole.length; i++) out[i] = whole[i] * packed.step;
    return out;
  }
  // Smooth normals; vertices at one place (seams of the texture) share theirs.
  function normals(p, triangles) {
    const first = new Map(), weld = new Int32Array(p.length / 3), sum = new Float32Array(p.length);
    for (let i = 0; i < weld.length; i++) {
      const key = p[3 * i].toFixed(3) + "," + p[3 * i + 1].toFixed(3) + "," + p[3 * i + 2].toFixed(3);
      if (!first.has(key)) first.set(key, i);
      weld[i] = first.get(key);
    }
    for (let t = 0; t < triangles.length; t += 3) {
      const [a, b, c] = [weld[triangles[t]] * 3, weld[triangles[t + 1]] * 3, weld[triangles[t + 2]] * 3];
      const u = [p[b] - p[a], p[b + 1] - p[a + 1], p[b + 2] - p[a + 2]];
      const v = [p[c] - p[a], p[c + 1] - p[a + 1], p[c + 2] - p[a + 2]];
      const n = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
      for (const at of [a, b, c]) for (let k = 0; k < 3; k++) sum[at + k] += n[k];
    }
    const out = new Float32Array(p.length);
    for (let i = 0; i < weld.length; i++) {
      const w = weld[i] * 3, length = Math.hypot(sum[w], sum[w + 1], sum[w + 2]) || 1;
      for (let k = 0; k < 3; k++) out[3 * i + k] = sum[w + k] / length;
    }
    return out;
  }
  function buffer(values, target) {
    const made = gl.createBuffer();
    gl.bindBuffer(target || gl.ARRAY_BUFFER, made);
    gl.bufferData(target || gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
    return made;
  }

  const wide = gl.getExtension("OES_element_index_uint");
  const topologies = {};
  function topology(key) {
    if (!topologies[key]) {
      const packed = data.topologies[key];
      const large = packed.large;
      const triangles = large ? new Uint32Array(bytes(packed.triangles)) : new Uint16Array(bytes(packed.triangles));
      const uv = new Float32Array(Array.from(new Uint16Array(bytes(packed.uv)), (value) => value / 65535));
      topologies[key] = {
        triangles, count: triangles.length, uv: buffer(uv), kind: large ? gl.UNSIGNED_INT : gl.UNSIGNED_SHORT,
        indices: buffer(triangles, gl.ELEMENT_ARRAY_BUFFER),
      };
      if (large && !wide) throw new Error("mesh too large for this browser");
    }
    return topologies[key];
  }

  class View {
    constructor(canvas) {
      this.canvas = canvas;
      this.face = data.faces[canvas.dataset.face];
      this.mode = 0;
      this.reset();
      canvas.width = canvas.height = SIZE;
      this.pointers = new Map();
      canvas.addEventListener("pointerdown", (e) => {
        canvas.setPointerCapture(e.pointerId);
        canvas.focus({ preventScroll: true });
        this.pointers.set(e.pointerId, [e.clientX, e.clientY]);
        e.preventDefault();
      });
      canvas.addEventListener("pointermove", (e) => this.moved(e));
      for (const name of ["pointerup", "pointercancel"])
        canvas.addEventListener(name, (e) => this.pointers.delete(e.pointerId));
      canvas.addEventListener("wheel", (e) => {
        if (document.activeElement !== canvas) return;
        this.zoom *= Math.exp(-e.deltaY * 0.0012);
        e.preventDefault();
        this.draw();
      }, { passive: false });
      canvas.addEventListener("dblclick", () => { this.reset(); this.draw(); });
      canvas.addEventListener("keydown", (e) => {
        const step = { ArrowLeft: [-0.12, 0], ArrowRight: [0.12, 0], ArrowUp: [0, -0.12], ArrowDown: [0, 0.12] }[e.key];
        if (step) { this.yaw += step[0]; this.pitch += step[1]; }
        else if (e.key === "+" || e.key === "=") this.zoom *= 1.15;
        else if (e.key === "-") this.zoom /= 1.15;
        else if (e.key === "0") this.reset();
        else return;
        e.preventDefault();
        this.draw();
      });
      for (const button of canvas.parentElement.querySelectorAll("button[data-mode]"))
        button.addEventListener("click", () => {
          this.mode = Number(button.dataset.mode);
          for (const other of canvas.parentElement.querySelectorAll("button[data-mode]"))
            other.setAttribute("aria-pressed", String(other === button));
          this.draw();
        });
      const first = canvas.parentElement.querySelector("button[data-mode]");
      if (first) this.mode = Number(first.dataset.mode);
    }
    reset() { this.yaw = 0.35; this.pitch = 0.05; this.zoom = 1; this.pan = [0, 0]; }
    moved(e) {
      const before = this.pointers.get(e.pointerId);
      if (!before) return;
      const dx = e.clientX - before[0], dy = e.clientY - before[1], side = this.canvas.clientWidth;
      if (this.pointers.size === 2) { // pinch
        const other = Array.from(this.pointers).find(([id]) => id !== e.pointerId)[1];
        const old = Math.hypot(before[0] - other[0], before[1] - other[1]);
        this.zoom *= Math.hypot(e.clientX - other[0], e.clientY - other[1]) / (old || 1);
      } else if (e.buttons === 2 || e.shiftKey) {
        this.pan[0] += 2 * dx / side;
        this.pan[1] -= 2 * dy / side;
      } else {
        this.yaw += 3.5 * dx / side;
        this.pitch += 3.5 * dy / side;
      }
      this.pointers.set(e.pointerId, [e.clientX, e.clientY]);
      this.draw();
    }
    load() {
      if (this.buffers) return;
      this.buffers = {};
      for (const name of ["base", "detailed"]) {
        if (!this.face[name]) continue;
        const shared = topology(this.face[name].topology), p = points(this.face[name]);
        const colours = new Float32Array(p.length).fill(0.75);
        if (this.face.provenance && name === "base") {
          const codes = new Uint8Array(bytes(this.face.provenance));
          for (let i = 0; i < codes.length; i++) colours.set(data.colours[codes[i]], 3 * i);
        }
        this.buffers[name] = { shared, position: buffer(p), normal: buffer(normals(p, shared.triangles)),
          tint: buffer(colours) };
      }
      this.texture = gl.createTexture();
      gl.bindTexture(gl.TEXTURE_2D, this.texture);
      gl.pixelStorei(gl.UNPACK_FLIP_Y_WEBGL, true);
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB, 1, 1, 0, gl.RGB, gl.UNSIGNED_BYTE, new Uint8Array([190, 190, 195]));
      if (this.face.texture) {
        const image = new Image();
        image.onload = () => {
          gl.bindTexture(gl.TEXTURE_2D, this.texture);
          gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB, gl.RGB, gl.UNSIGNED_BYTE, image);
          for (const [key, value] of [[gl.TEXTURE_MIN_FILTER, gl.LINEAR], [gl.TEXTURE_MAG_FILTER, gl.LINEAR],
            [gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE], [gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE]])
            gl.texParameteri(gl.TEXTURE_2D, key, value);
          this.draw();
        };
        image.src = this.face.texture;
      }
    }
    draw() {
      this.load();
      this.pitch = Math.max(-1.4, Math.min(1.4, this.pitch));
      this.zoom = Math.max(0.4, Math.min(8, this.zoom));
      const form = this.mode >= 2 ? this.buffers.base : this.buffers.detailed || this.buffers.base;
      const shared = form.shared;
      const [cy, sy, cp, sp] = [Math.cos(this.yaw), Math.sin(this.yaw), Math.cos(this.pitch), Math.sin(this.pitch)];
      gl.viewport(0, 0, SIZE, SIZE);
      gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
      gl.uniformMatrix3fv(at.turn, false, [cy, sp * sy, -cp * sy, 0, cp, sp, sy, -sp * cy, cp * cy]);
      gl.uniform3f(at.view, this.zoom, this.pan[0], this.pan[1]);
      gl.uniform1i(at.mode, this.mode);
      gl.bindTexture(gl.TEXTURE_2D, this.texture);
      for (const [name, made, width] of [["position", form.position, 3], ["normal", form.normal, 3],
        ["tint", form.tint, 3], ["uv", shared.uv, 2]]) {
        if (at[name] < 0) continue;
        gl.bindBuffer(gl.ARRAY_BUFFER, made);
        gl.enableVertexAttribArray(at[name]);
        gl.vertexAttribPointer(at[name], width, gl.FLOAT, false, 0, 0);
      }
      gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, shared.indices);
      gl.drawElements(gl.TRIANGLES, shared.count, shared.kind, 0);
      this.canvas.getContext("2d").drawImage(stage, 0, 0);
    }
  }

  const views = canvases.map((canvas) => new View(canvas));
  const watch = "IntersectionObserver" in window && new IntersectionObserver((entries) => {
    for (const entry of entries)
      if (entry.isIntersecting) {
        views[canvases.indexOf(entry.target)].draw();
        watch.unobserve(entry.target);
      }
  }, { rootMargin: "400px" });
  dark.addEventListener("change", () => {
    ground();
    for (const view of views) if (view.buffers) view.draw();
  });
  for (const view of views) watch ? watch.observe(view.canvas) : view.draw();
})();
