//! Preact and htm, bound to each other. Text goes into text nodes; nothing here makes markup of it.

import { h, render, Component, createRef } from './vendor/preact.mjs';
import htm from './vendor/htm.mjs';

export const html = htm.bind(h);
export { Component, createRef, render };
