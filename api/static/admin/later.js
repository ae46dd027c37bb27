//! Tabs whose modules come when they are opened, so that the app begins sooner.

import { Bar, Bones, Component, Failed, html } from './ui.js';

/** The screens of a tab, and their texts. */
const LOAD = {
  statistics: async () => [{ statistics: (await import('./statistics.js')).Statistics }, {}],
  services: async (language) => {
    const words = language === 'ru' ? import('./services_words_ru.js') : import('./services_words_en.js');
    const [{ SCREENS }, { TEXTS }] = await Promise.all([import('./services.js'), words]);
    return [SCREENS, TEXTS];
  },
};

/** Stands for a tab until it is loaded. */
export class Later extends Component {
  state = { problem: null };

  componentDidMount() {
    this.load();
  }

  async load() {
    const { app } = this.props;
    this.setState({ problem: null });
    try {
      const [screens, words] = await LOAD[app.tab](app.fmt.language);
      app.t.add(words);
      Object.assign(app.screens, screens);
      app.setState({});
    } catch {
      this.setState({ problem: { status: 0 } });
    }
  }

  render({ app }, { problem }) {
    return html`<${Bar} app=${app} title=${app.t(`tab_${app.tab}`)} back=${false} />${problem ? html`<${Failed} app=${app} problem=${problem} onAgain=${() => this.load()} />` : html`<${Bones} app=${app} />`}`;
  }
}
